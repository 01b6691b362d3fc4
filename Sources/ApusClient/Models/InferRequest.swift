internal import Inference
internal import Wire

/// What a model is asked.
public struct InferRequest: Sendable, Hashable {
  /// An output that is asked for by name.
  public struct Output: Sendable, Hashable {
    public var name: String
    /// The classification extension: the so many best classes as `value:index:label`, instead of the tensor. 0: the
    /// tensor itself.
    public var classCount: Int

    public init(name: String, classCount: Int = 0) {
      self.name = name
      self.classCount = classCount
    }
  }

  public var model: String
  /// Empty: the server chooses.
  public var version = ""
  /// Comes back in the answer.
  public var id = ""
  public var inputs: [Tensor]
  /// Empty: all outputs.
  public var outputs: [Output] = []
  public var parameters: [String: Parameter] = [:]

  public init(model: String, inputs: [Tensor]) {
    self.model = model
    self.inputs = inputs
  }
}

/// What a model answered.
public struct InferResponse: Sendable, Hashable {
  public var model: String
  public var version: String
  public var id: String
  public var outputs: [Tensor]
  public var parameters: [String: Parameter]

  public init(model: String, version: String, id: String, outputs: [Tensor], parameters: [String: Parameter] = [:]) {
    self.model = model
    self.version = version
    self.id = id
    self.outputs = outputs
    self.parameters = parameters
  }

  /// The output of that name.
  public subscript(output: String) -> Tensor? { outputs.first { $0.name == output } }
}

extension Parameter {
  var wire: InferParameter {
    switch self {
    case .bool(let value): .bool(value)
    case .int64(let value): .int64(value)
    case .uint64(let value): .uint64(value)
    case .double(let value): .double(value)
    case .string(let value): .string(value)
    }
  }

  init(_ wire: InferParameter) {
    self =
      switch wire {
      case .bool(let value): .bool(value)
      case .int64(let value): .int64(value)
      case .uint64(let value): .uint64(value)
      case .double(let value): .double(value)
      case .string(let value): .string(value)
      }
  }
}
