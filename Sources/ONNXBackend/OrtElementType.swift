internal import Inference

/// ONNX Runtime's numbers of tensor element types. Source: `ONNXTensorElementDataType`.
enum OrtElementType: Int32 {
  case undefined, float, uint8, int8, uint16, int16, int32, int64, string, bool, float16, double, uint32, uint64
  case complex64, complex128, bfloat16
  case float8E4M3FN, float8E4M3FNUZ, float8E5M2, float8E5M2FNUZ
  case uint4, int4, float4E2M1, uint2, int2, float8E8M0

  /// The protocol's datatype, or nil where it has none.
  var datatype: Datatype? {
    switch self {
    case .float: .fp32
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .int32: .int32
    case .int64: .int64
    case .string: .bytes
    case .bool: .bool
    case .float16: .fp16
    case .double: .fp64
    case .uint32: .uint32
    case .uint64: .uint64
    case .bfloat16: .bf16
    default: nil
    }
  }

  init(_ datatype: Datatype) {
    self =
      switch datatype {
      case .bool: .bool
      case .uint8: .uint8
      case .uint16: .uint16
      case .uint32: .uint32
      case .uint64: .uint64
      case .int8: .int8
      case .int16: .int16
      case .int32: .int32
      case .int64: .int64
      case .fp16: .float16
      case .fp32: .float
      case .fp64: .double
      case .bytes: .string
      case .bf16: .bfloat16
      }
  }
}
