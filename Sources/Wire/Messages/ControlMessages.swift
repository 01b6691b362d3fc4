internal import CProtos
internal import Inference

/// One thing asked of the control plane: a resource by its path, in the JSON of the REST interface.
package struct ResourceRequest: CMessage, Hashable {
  package var path: String
  /// Empty where there is none.
  package var body: String
  package var ifMatch: String
  package var ifNoneMatch: String
  package var query: [QueryParameter]

  package init(
    path: String, body: String = "", ifMatch: String = "", ifNoneMatch: String = "", query: [QueryParameter] = []
  ) {
    self.path = path
    self.body = body
    self.ifMatch = ifMatch
    self.ifNoneMatch = ifNoneMatch
    self.query = query
  }

  package struct QueryParameter: CMessage, Hashable {
    package var name: String
    package var value: String

    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }

    static var initialize: (UnsafeMutablePointer<Apus__Control__V1__QueryParameter>?) -> Void {
      apus__control__v1__query_parameter__init
    }
    init(_ c: Apus__Control__V1__QueryParameter) {
      name = string(c.name)
      value = string(c.value)
    }
    func fill(_ c: inout Apus__Control__V1__QueryParameter, _ builder: MessageBuilder) {
      c.name = builder.string(name)
      c.value = builder.string(value)
    }
  }

  static var initialize: (UnsafeMutablePointer<Apus__Control__V1__ResourceRequest>?) -> Void {
    apus__control__v1__resource_request__init
  }
  init(_ c: Apus__Control__V1__ResourceRequest) throws(InferenceError) {
    path = string(c.path)
    body = string(c.body)
    ifMatch = string(c.if_match)
    ifNoneMatch = string(c.if_none_match)
    query = try list(c.query, c.n_query)
  }
  func fill(_ c: inout Apus__Control__V1__ResourceRequest, _ builder: MessageBuilder) {
    c.path = builder.string(path)
    c.body = builder.string(body)
    c.if_match = builder.string(ifMatch)
    c.if_none_match = builder.string(ifNoneMatch)
    c.n_query = query.count
    c.query = builder.list(query)
  }
}

/// What the control plane answers.
package struct ResourceResponse: CMessage, Hashable {
  /// As HTTP has it.
  package var status: Int32
  /// Empty where there is none.
  package var body: String
  package var etag: String
  /// The operation that goes on; empty: none.
  package var operation: String
  /// What was taken and has no effect, in sentences.
  package var warnings: [String]

  package init(status: Int32, body: String = "", etag: String = "", operation: String = "", warnings: [String] = []) {
    self.status = status
    self.body = body
    self.etag = etag
    self.operation = operation
    self.warnings = warnings
  }

  static var initialize: (UnsafeMutablePointer<Apus__Control__V1__ResourceResponse>?) -> Void {
    apus__control__v1__resource_response__init
  }
  init(_ c: Apus__Control__V1__ResourceResponse) {
    status = c.status
    body = string(c.body)
    etag = string(c.etag)
    operation = string(c.operation)
    warnings = strings(c.warnings, c.n_warnings)
  }
  func fill(_ c: inout Apus__Control__V1__ResourceResponse, _ builder: MessageBuilder) {
    c.status = status
    c.body = builder.string(body)
    c.etag = builder.string(etag)
    c.operation = builder.string(operation)
    c.n_warnings = warnings.count
    c.warnings = builder.strings(warnings)
  }
}

/// Asks for the states of an operation until it ends.
package struct WatchOperationRequest: CMessage, Hashable {
  package var operation: String

  package init(operation: String) { self.operation = operation }

  static var initialize: (UnsafeMutablePointer<Apus__Control__V1__WatchOperationRequest>?) -> Void {
    apus__control__v1__watch_operation_request__init
  }
  init(_ c: Apus__Control__V1__WatchOperationRequest) { operation = string(c.operation) }
  func fill(_ c: inout Apus__Control__V1__WatchOperationRequest, _ builder: MessageBuilder) {
    c.operation = builder.string(operation)
  }
}
