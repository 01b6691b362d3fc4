internal import Inference

/// What a description says of a tensor: its JSON as a schema, and a value that the model takes.
struct TensorSchema {
  let tensor: TensorMetadata
  /// Whether axis 0 is the batch axis.
  let isBatched: Bool

  /// Lists within lists, as deep as the tensor has axes from `axis` on.
  func schema(fromAxis axis: Int = 0) -> JSONDocument {
    guard axis < tensor.shape.count else { return element }
    let length = tensor.shape[axis]
    let isFixed = length >= 0 && !(isBatched && axis == 0)
    return .members([
      "type": "array", "minItems": isFixed ? .integer(length) : nil, "maxItems": isFixed ? .integer(length) : nil,
      "items": schema(fromAxis: axis + 1),
    ])
  }

  /// A value with one index along every axis of any length.
  func example(fromAxis axis: Int = 0) -> JSONDocument {
    guard axis < tensor.shape.count else { return exampleElement }
    return .list([JSONDocument](repeating: example(fromAxis: axis + 1), count: exampleLength(axis)))
  }

  /// Elements of `example`.
  var exampleCount: Int {
    tensor.shape.indices.reduce(1) { count, axis in
      let (product, overflow) = count.multipliedReportingOverflow(by: exampleLength(axis))
      return overflow ? .max : product
    }
  }

  private func exampleLength(_ axis: Int) -> Int {
    tensor.shape[axis] < 0 || isBatched && axis == 0 ? 1 : Int(tensor.shape[axis])
  }

  private var element: JSONDocument {
    switch tensor.datatype {
    case .bool: ["type": "boolean"]
    case .bytes: ["type": "string"]
    case .fp16, .bf16, .fp32: ["type": "number", "format": "float"]
    case .fp64: ["type": "number", "format": "double"]
    case .int64: ["type": "integer", "format": "int64"]
    case .int32: ["type": "integer", "format": "int32"]
    case .uint64: ["type": "integer", "minimum": 0]
    case .uint32: ["type": "integer", "minimum": 0, "maximum": 4_294_967_295]
    case .uint16: ["type": "integer", "minimum": 0, "maximum": 65535]
    case .uint8: ["type": "integer", "minimum": 0, "maximum": 255]
    case .int16: ["type": "integer", "minimum": -32768, "maximum": 32767]
    case .int8: ["type": "integer", "minimum": -128, "maximum": 127]
    }
  }

  private var exampleElement: JSONDocument {
    switch tensor.datatype {
    case .bool: true
    case .bytes: "text"
    case .fp16, .bf16, .fp32, .fp64: .number(0.5)
    default: 1
    }
  }
}
