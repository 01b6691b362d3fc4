internal import Inference

/// What may be asked of a request beside its tensors, and what is refused.
///
/// Sequences are not served, so anything that would begin or continue one is refused rather than answered wrongly. Keys
/// that nobody has reserved are the backend's own, and pass. (Triton, "Schedule Policy", "Sequence" and "Parameters"
/// extensions.)
internal enum RequestParameters {
  /// Checks them, and notes the priority.
  ///
  /// - Throws: `.invalidArgument`, naming the key, what is expected and what came; `.unimplemented` for a sequence.
  static func check(_ request: RequestPointer) throws(InferenceError) {
    for parameter in request.pointee.parameters {
      try check(parameter)
      if parameter.key == "priority" { request.pointee.priority = priority(parameter.value) }
    }
  }

  /// What is less urgent than 255 is as urgent as 255.
  private static func priority(_ value: RequestParameter.Value) -> UInt8 {
    switch value {
    case .uint64(let value): UInt8(clamping: value)
    case .int64(let value): UInt8(clamping: value)
    case .unset, .bool, .double, .string: 0
    }
  }

  private static func check(_ parameter: RequestParameter) throws(InferenceError) {
    let key = parameter.key
    if key == "priority" {
      switch parameter.value {
      case .uint64: return
      case .int64(let value) where value >= 0: return
      default: throw unexpected(parameter, expected: "int64_param of 0 or more, or uint64_param")
      }
    }
    if key == "timeout" {
      if case .int64(let value) = parameter.value, value >= 0 { return }
      throw unexpected(parameter, expected: "int64_param of 0 or more, in microseconds")
    }
    if key.hasPrefix("sequence_") { return try checkSequence(parameter) }
    if key == "triton_enable_empty_final_response" {
      if case .bool = parameter.value { return }
      throw unexpected(parameter, expected: "bool_param")
    }
    if key.hasPrefix("triton_") {
      throw .invalidArgument(
        "parameter '\(name(key))': keys that begin with 'triton_' are reserved; the only one a request may have is "
          + "'triton_enable_empty_final_response'")
    }
  }

  private static func checkSequence(_ parameter: RequestParameter) throws(InferenceError) {
    let isHarmless: Bool
    if parameter.key == "sequence_id" {
      switch parameter.value {
      case .int64(let value): isHarmless = value == 0
      case .string(let value): isHarmless = value.count == 0
      default: throw unexpected(parameter, expected: "int64_param or string_param")
      }
    } else if parameter.key == "sequence_start" || parameter.key == "sequence_end" {
      guard case .bool(let value) = parameter.value else { throw unexpected(parameter, expected: "bool_param") }
      isHarmless = !value
    } else {
      return  // Not one of Triton's, and so the backend's.
    }
    guard isHarmless else {
      throw .unimplemented(
        "parameter '\(name(parameter.key))' is \(text(parameter.value)): this server does not serve sequences")
    }
  }

  private static func unexpected(_ parameter: RequestParameter, expected: String) -> InferenceError {
    .invalidArgument("parameter '\(name(parameter.key))' is \(text(parameter.value)): expected \(expected)")
  }

  private static func name(_ key: UnsafeRawBufferPointer) -> String { String(decoding: key.prefix(128), as: UTF8.self) }

  private static func text(_ value: RequestParameter.Value) -> String {
    switch value {
    case .unset: "not set"
    case .bool(let value): "the bool_param \(value)"
    case .int64(let value): "the int64_param \(value)"
    case .uint64(let value): "the uint64_param \(value)"
    case .double(let value): "the double_param \(value)"
    case .string: "a string_param"
    }
  }
}

extension UnsafeRawBufferPointer {
  fileprivate static func == (bytes: UnsafeRawBufferPointer, text: StaticString) -> Bool {
    bytes == UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
  }

  fileprivate func hasPrefix(_ text: StaticString) -> Bool {
    guard count >= text.utf8CodeUnitCount else { return false }
    return UnsafeRawBufferPointer(rebasing: self[..<text.utf8CodeUnitCount]) == text
  }
}
