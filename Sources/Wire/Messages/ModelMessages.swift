internal import CProtos
package import Inference

/// Asks whether a model would serve a request now.
package struct ModelReadyRequest: CMessage, Hashable {
  package var name: String
  /// Empty: the server chooses.
  package var version: String

  package init(name: String, version: String = "") {
    self.name = name
    self.version = version
  }

  static var initialize: (UnsafeMutablePointer<Inference__ModelReadyRequest>?) -> Void {
    inference__model_ready_request__init
  }
  init(_ c: Inference__ModelReadyRequest) {
    name = string(c.name)
    version = string(c.version)
  }
  func fill(_ c: inout Inference__ModelReadyRequest, _ builder: MessageBuilder) {
    c.name = builder.string(name)
    c.version = builder.string(version)
  }
}

package struct ModelReadyResponse: CMessage, Hashable {
  package var ready: Bool

  package init(ready: Bool) { self.ready = ready }

  static var initialize: (UnsafeMutablePointer<Inference__ModelReadyResponse>?) -> Void {
    inference__model_ready_response__init
  }
  init(_ c: Inference__ModelReadyResponse) { ready = c.ready != 0 }
  func fill(_ c: inout Inference__ModelReadyResponse, _ builder: MessageBuilder) { c.ready = ready ? 1 : 0 }
}

/// Asks which tensors a model takes and gives.
package struct ModelMetadataRequest: CMessage, Hashable {
  package var name: String
  package var version: String

  package init(name: String, version: String = "") {
    self.name = name
    self.version = version
  }

  static var initialize: (UnsafeMutablePointer<Inference__ModelMetadataRequest>?) -> Void {
    inference__model_metadata_request__init
  }
  init(_ c: Inference__ModelMetadataRequest) {
    name = string(c.name)
    version = string(c.version)
  }
  func fill(_ c: inout Inference__ModelMetadataRequest, _ builder: MessageBuilder) {
    c.name = builder.string(name)
    c.version = builder.string(version)
  }
}

package struct ModelMetadataResponse: CMessage, Hashable {
  package var name: String
  /// Those that are ready.
  package var versions: [String]
  package var platform: String
  package var inputs: [TensorMetadata]
  package var outputs: [TensorMetadata]

  package init(
    name: String, versions: [String], platform: String, inputs: [TensorMetadata], outputs: [TensorMetadata]
  ) {
    self.name = name
    self.versions = versions
    self.platform = platform
    self.inputs = inputs
    self.outputs = outputs
  }

  static var initialize: (UnsafeMutablePointer<Inference__ModelMetadataResponse>?) -> Void {
    inference__model_metadata_response__init
  }
  init(_ c: Inference__ModelMetadataResponse) throws(InferenceError) {
    name = string(c.name)
    versions = strings(c.versions, c.n_versions)
    platform = string(c.platform)
    inputs = try tensorMetadata(c.inputs, c.n_inputs, of: "inputs")
    outputs = try tensorMetadata(c.outputs, c.n_outputs, of: "outputs")
  }
  func fill(_ c: inout Inference__ModelMetadataResponse, _ builder: MessageBuilder) {
    c.name = builder.string(name)
    c.n_versions = versions.count
    c.versions = builder.strings(versions)
    c.platform = builder.string(platform)
    c.n_inputs = inputs.count
    c.inputs = tensorMetadata(inputs, builder)
    c.n_outputs = outputs.count
    c.outputs = tensorMetadata(outputs, builder)
  }
}

private typealias CTensorMetadata = Inference__ModelMetadataResponse__TensorMetadata

private func tensorMetadata(
  _ start: UnsafePointer<UnsafeMutablePointer<CTensorMetadata>?>?, _ count: Int, of field: String
) throws(InferenceError) -> [TensorMetadata] {
  var tensors: [TensorMetadata] = []
  for (index, element) in array(start, count).enumerated() {
    let c = element!.pointee
    tensors.append(
      TensorMetadata(
        name: string(c.name), datatype: try datatype(c.datatype, of: "\(field)[\(index)]"),
        shape: array(c.shape, c.n_shape)))
  }
  return tensors
}

private func tensorMetadata(
  _ tensors: [TensorMetadata], _ builder: MessageBuilder
) -> UnsafeMutablePointer<UnsafeMutablePointer<CTensorMetadata>?> {
  builder.scalars(
    tensors.map { tensor in
      let c = builder.make(inference__model_metadata_response__tensor_metadata__init)
      c.pointee.name = builder.string(tensor.name)
      c.pointee.datatype = builder.string(tensor.datatype.description)
      c.pointee.n_shape = tensor.shape.count
      c.pointee.shape = builder.scalars(tensor.shape)
      return Optional(c)
    })
}

/// The datatype that a token names; `field` is where it stands.
func datatype(_ token: UnsafePointer<CChar>?, of field: String) throws(InferenceError) -> Datatype {
  let token = string(token)
  guard let datatype = Datatype(token: token) else {
    throw .invalidArgument("\(field).datatype is '\(token)', which is no datatype")
  }
  return datatype
}

/// Asks for a model's configuration.
package struct ModelConfigRequest: CMessage, Hashable {
  package var name: String
  package var version: String

  package init(name: String, version: String = "") {
    self.name = name
    self.version = version
  }

  static var initialize: (UnsafeMutablePointer<Inference__ModelConfigRequest>?) -> Void {
    inference__model_config_request__init
  }
  init(_ c: Inference__ModelConfigRequest) {
    name = string(c.name)
    version = string(c.version)
  }
  func fill(_ c: inout Inference__ModelConfigRequest, _ builder: MessageBuilder) {
    c.name = builder.string(name)
    c.version = builder.string(version)
  }
}
