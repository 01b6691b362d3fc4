internal import CProtos
internal import Inference

/// A setting of a request, a tensor or a response.
package enum InferParameter: Hashable, Sendable {
  case bool(Bool)
  case int64(Int64)
  case uint64(UInt64)
  case double(Double)
  case string(String)

  /// Nil for a parameter without a value, which the wire allows.
  init?(_ c: UnsafePointer<Inference__InferParameter>?) {
    switch parameterValue(c) {
    case .unset: return nil
    case .bool(let value): self = .bool(value)
    case .int64(let value): self = .int64(value)
    case .uint64(let value): self = .uint64(value)
    case .double(let value): self = .double(value)
    case .string(let value): self = .string(String(decoding: value, as: UTF8.self))
    }
  }

  func c(_ builder: MessageBuilder) -> UnsafeMutablePointer<Inference__InferParameter> {
    let c = builder.make(inference__infer_parameter__init)
    switch self {
    case .bool(let value):
      c.pointee.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_BOOL_PARAM
      c.pointee.bool_param = value ? 1 : 0
    case .int64(let value):
      c.pointee.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM
      c.pointee.int64_param = value
    case .uint64(let value):
      c.pointee.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_UINT64_PARAM
      c.pointee.uint64_param = value
    case .double(let value):
      c.pointee.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_DOUBLE_PARAM
      c.pointee.double_param = value
    case .string(let value):
      c.pointee.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_STRING_PARAM
      c.pointee.string_param = builder.string(value)
    }
    return c
  }
}

/// Reads parameters, leaving out those without a value.
func inferParameters<Entry>(
  _ start: UnsafePointer<UnsafeMutablePointer<Entry>?>?, _ count: Int,
  _ read: (Entry) -> (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<Inference__InferParameter>?)
) -> [String: InferParameter] {
  var parameters: [String: InferParameter] = [:]
  for entry in array(start, count) {
    let (key, value) = read(entry!.pointee)
    parameters[string(key)] = InferParameter(value)
  }
  return parameters
}
