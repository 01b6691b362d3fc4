internal import CProtos
internal import Inference

extension Datatype {
  /// The type as configurations number it; nil for TYPE_INVALID and unknown numbers. TYPE_STRING is BYTES.
  init?(_ type: Inference__DataType) {
    guard let datatype = Datatype.allCases.first(where: { $0.configType == type }) else { return nil }
    self = datatype
  }

  var configType: Inference__DataType {
    switch self {
    case .bool: INFERENCE__DATA_TYPE__TYPE_BOOL
    case .uint8: INFERENCE__DATA_TYPE__TYPE_UINT8
    case .uint16: INFERENCE__DATA_TYPE__TYPE_UINT16
    case .uint32: INFERENCE__DATA_TYPE__TYPE_UINT32
    case .uint64: INFERENCE__DATA_TYPE__TYPE_UINT64
    case .int8: INFERENCE__DATA_TYPE__TYPE_INT8
    case .int16: INFERENCE__DATA_TYPE__TYPE_INT16
    case .int32: INFERENCE__DATA_TYPE__TYPE_INT32
    case .int64: INFERENCE__DATA_TYPE__TYPE_INT64
    case .fp16: INFERENCE__DATA_TYPE__TYPE_FP16
    case .fp32: INFERENCE__DATA_TYPE__TYPE_FP32
    case .fp64: INFERENCE__DATA_TYPE__TYPE_FP64
    case .bytes: INFERENCE__DATA_TYPE__TYPE_STRING
    case .bf16: INFERENCE__DATA_TYPE__TYPE_BF16
    }
  }
}
