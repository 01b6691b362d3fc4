internal import CProtos

/// Asks whether the process answers at all.
package struct ServerLiveRequest: CMessage, Hashable {
  package init() {}

  static var initialize: (UnsafeMutablePointer<Inference__ServerLiveRequest>?) -> Void {
    inference__server_live_request__init
  }
  init(_ c: Inference__ServerLiveRequest) {}
  func fill(_ c: inout Inference__ServerLiveRequest, _ builder: MessageBuilder) {}
}

package struct ServerLiveResponse: CMessage, Hashable {
  package var live: Bool

  package init(live: Bool) { self.live = live }

  static var initialize: (UnsafeMutablePointer<Inference__ServerLiveResponse>?) -> Void {
    inference__server_live_response__init
  }
  init(_ c: Inference__ServerLiveResponse) { live = c.live != 0 }
  func fill(_ c: inout Inference__ServerLiveResponse, _ builder: MessageBuilder) { c.live = live ? 1 : 0 }
}

/// Asks whether everything that should serve can.
package struct ServerReadyRequest: CMessage, Hashable {
  package init() {}

  static var initialize: (UnsafeMutablePointer<Inference__ServerReadyRequest>?) -> Void {
    inference__server_ready_request__init
  }
  init(_ c: Inference__ServerReadyRequest) {}
  func fill(_ c: inout Inference__ServerReadyRequest, _ builder: MessageBuilder) {}
}

package struct ServerReadyResponse: CMessage, Hashable {
  package var ready: Bool

  package init(ready: Bool) { self.ready = ready }

  static var initialize: (UnsafeMutablePointer<Inference__ServerReadyResponse>?) -> Void {
    inference__server_ready_response__init
  }
  init(_ c: Inference__ServerReadyResponse) { ready = c.ready != 0 }
  func fill(_ c: inout Inference__ServerReadyResponse, _ builder: MessageBuilder) { c.ready = ready ? 1 : 0 }
}

/// Asks what this server is.
package struct ServerMetadataRequest: CMessage, Hashable {
  package init() {}

  static var initialize: (UnsafeMutablePointer<Inference__ServerMetadataRequest>?) -> Void {
    inference__server_metadata_request__init
  }
  init(_ c: Inference__ServerMetadataRequest) {}
  func fill(_ c: inout Inference__ServerMetadataRequest, _ builder: MessageBuilder) {}
}

package struct ServerMetadataResponse: CMessage, Hashable {
  package var name: String
  package var version: String
  /// Protocol extensions on offer, such as `binary_tensor_data`.
  package var extensions: [String]

  package init(name: String, version: String, extensions: [String]) {
    self.name = name
    self.version = version
    self.extensions = extensions
  }

  static var initialize: (UnsafeMutablePointer<Inference__ServerMetadataResponse>?) -> Void {
    inference__server_metadata_response__init
  }
  init(_ c: Inference__ServerMetadataResponse) {
    name = string(c.name)
    version = string(c.version)
    extensions = strings(c.extensions, c.n_extensions)
  }
  func fill(_ c: inout Inference__ServerMetadataResponse, _ builder: MessageBuilder) {
    c.name = builder.string(name)
    c.version = builder.string(version)
    c.n_extensions = extensions.count
    c.extensions = builder.strings(extensions)
  }
}
