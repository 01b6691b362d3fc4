internal import CProtobufC
internal import CProtos
internal import Inference

/// A setting of a load or unload.
package enum RepositoryParameter: Hashable, Sendable {
  case bool(Bool)
  case int64(Int64)
  case string(String)
  case bytes([UInt8])

  /// Nil for a parameter without a value, which the wire allows.
  init?(_ c: UnsafePointer<Inference__ModelRepositoryParameter>?) {
    guard let c = c?.pointee else { return nil }
    switch c.parameter_choice_case {
    case INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_BOOL_PARAM:
      self = .bool(c.bool_param != 0)
    case INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_INT64_PARAM:
      self = .int64(c.int64_param)
    case INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_STRING_PARAM:
      self = .string(Wire.string(c.string_param))
    case INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_BYTES_PARAM:
      self = .bytes(array(c.bytes_param))
    default: return nil
    }
  }

  func c(_ builder: MessageBuilder) -> UnsafeMutablePointer<Inference__ModelRepositoryParameter> {
    let c = builder.make(inference__model_repository_parameter__init)
    switch self {
    case .bool(let value):
      c.pointee.parameter_choice_case = INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_BOOL_PARAM
      c.pointee.bool_param = value ? 1 : 0
    case .int64(let value):
      c.pointee.parameter_choice_case = INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_INT64_PARAM
      c.pointee.int64_param = value
    case .string(let value):
      c.pointee.parameter_choice_case = INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_STRING_PARAM
      c.pointee.string_param = builder.string(value)
    case .bytes(let value):
      c.pointee.parameter_choice_case = INFERENCE__MODEL_REPOSITORY_PARAMETER__PARAMETER_CHOICE_BYTES_PARAM
      c.pointee.bytes_param = builder.bytes(value)
    }
    return c
  }
}

private func repositoryParameters<Entry>(
  _ start: UnsafePointer<UnsafeMutablePointer<Entry>?>?, _ count: Int,
  _ read: (Entry) -> (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<Inference__ModelRepositoryParameter>?)
) -> [String: RepositoryParameter] {
  var parameters: [String: RepositoryParameter] = [:]
  for entry in array(start, count) {
    let (key, value) = read(entry!.pointee)
    parameters[string(key)] = RepositoryParameter(value)
  }
  return parameters
}

/// Asks what the repository holds.
package struct RepositoryIndexRequest: CMessage, Hashable {
  package var repositoryName: String
  /// Only models that are ready.
  package var ready: Bool

  package init(repositoryName: String = "", ready: Bool = false) {
    self.repositoryName = repositoryName
    self.ready = ready
  }

  static var initialize: (UnsafeMutablePointer<Inference__RepositoryIndexRequest>?) -> Void {
    inference__repository_index_request__init
  }
  init(_ c: Inference__RepositoryIndexRequest) { (repositoryName, ready) = (string(c.repository_name), c.ready != 0) }
  func fill(_ c: inout Inference__RepositoryIndexRequest, _ builder: MessageBuilder) {
    c.repository_name = builder.string(repositoryName)
    c.ready = ready ? 1 : 0
  }
}

package struct RepositoryIndexResponse: CMessage, Hashable {
  /// One version of one model, and its state.
  package struct Entry: CMessage, Hashable {
    package var name: String
    /// Empty if it was never loaded.
    package var version: String
    /// `UNKNOWN`, `READY`, `UNAVAILABLE`, `LOADING` or `UNLOADING`.
    package var state: String
    package var reason: String

    package init(name: String, version: String, state: String, reason: String = "") {
      self.name = name
      self.version = version
      self.state = state
      self.reason = reason
    }

    static var initialize: (UnsafeMutablePointer<Inference__RepositoryIndexResponse__ModelIndex>?) -> Void {
      inference__repository_index_response__model_index__init
    }
    init(_ c: Inference__RepositoryIndexResponse__ModelIndex) {
      name = string(c.name)
      version = string(c.version)
      state = string(c.state)
      reason = string(c.reason)
    }
    func fill(_ c: inout Inference__RepositoryIndexResponse__ModelIndex, _ builder: MessageBuilder) {
      c.name = builder.string(name)
      c.version = builder.string(version)
      c.state = builder.string(state)
      c.reason = builder.string(reason)
    }
  }

  package var models: [Entry]

  package init(models: [Entry]) { self.models = models }

  static var initialize: (UnsafeMutablePointer<Inference__RepositoryIndexResponse>?) -> Void {
    inference__repository_index_response__init
  }
  init(_ c: Inference__RepositoryIndexResponse) throws(InferenceError) { models = try list(c.models, c.n_models) }
  func fill(_ c: inout Inference__RepositoryIndexResponse, _ builder: MessageBuilder) {
    c.n_models = models.count
    c.models = builder.list(models)
  }
}

/// Asks to load a model, or to load it anew.
package struct RepositoryModelLoadRequest: CMessage, Hashable {
  package var repositoryName = ""
  package var modelName: String
  /// `config`: a configuration as JSON, in place of the one in the repository.
  package var parameters: [String: RepositoryParameter] = [:]

  package init(modelName: String) { self.modelName = modelName }

  static var initialize: (UnsafeMutablePointer<Inference__RepositoryModelLoadRequest>?) -> Void {
    inference__repository_model_load_request__init
  }
  init(_ c: Inference__RepositoryModelLoadRequest) {
    repositoryName = string(c.repository_name)
    modelName = string(c.model_name)
    parameters = repositoryParameters(c.parameters, c.n_parameters) { ($0.key, $0.value) }
  }
  func fill(_ c: inout Inference__RepositoryModelLoadRequest, _ builder: MessageBuilder) {
    c.repository_name = builder.string(repositoryName)
    c.model_name = builder.string(modelName)
    c.n_parameters = parameters.count
    c.parameters = builder.entries(parameters, inference__repository_model_load_request__parameters_entry__init) {
      ($0.key, $0.value) = ($1, $2.c(builder))
    }
  }
}

package struct RepositoryModelLoadResponse: CMessage, Hashable {
  package init() {}

  static var initialize: (UnsafeMutablePointer<Inference__RepositoryModelLoadResponse>?) -> Void {
    inference__repository_model_load_response__init
  }
  init(_ c: Inference__RepositoryModelLoadResponse) {}
  func fill(_ c: inout Inference__RepositoryModelLoadResponse, _ builder: MessageBuilder) {}
}

/// Asks to drain and unload a model.
package struct RepositoryModelUnloadRequest: CMessage, Hashable {
  package var repositoryName = ""
  package var modelName: String
  package var parameters: [String: RepositoryParameter] = [:]

  package init(modelName: String) { self.modelName = modelName }

  static var initialize: (UnsafeMutablePointer<Inference__RepositoryModelUnloadRequest>?) -> Void {
    inference__repository_model_unload_request__init
  }
  init(_ c: Inference__RepositoryModelUnloadRequest) {
    repositoryName = string(c.repository_name)
    modelName = string(c.model_name)
    parameters = repositoryParameters(c.parameters, c.n_parameters) { ($0.key, $0.value) }
  }
  func fill(_ c: inout Inference__RepositoryModelUnloadRequest, _ builder: MessageBuilder) {
    c.repository_name = builder.string(repositoryName)
    c.model_name = builder.string(modelName)
    c.n_parameters = parameters.count
    c.parameters = builder.entries(parameters, inference__repository_model_unload_request__parameters_entry__init) {
      ($0.key, $0.value) = ($1, $2.c(builder))
    }
  }
}

package struct RepositoryModelUnloadResponse: CMessage, Hashable {
  package init() {}

  static var initialize: (UnsafeMutablePointer<Inference__RepositoryModelUnloadResponse>?) -> Void {
    inference__repository_model_unload_response__init
  }
  init(_ c: Inference__RepositoryModelUnloadResponse) {}
  func fill(_ c: inout Inference__RepositoryModelUnloadResponse, _ builder: MessageBuilder) {}
}
