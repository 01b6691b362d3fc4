internal import Access
internal import Inference

extension ResponseCache {
  /// What stands for a valid request, and for all that are identical.
  ///
  /// Taken in are the deployment, which outputs are wanted, the shape and the bytes of each input, and the parameters that
  /// are the backend's own. Names and datatypes go without saying: inputs are in the signature's order by now, and the
  /// signature is the deployment's. How many classes an output is to become does not count, because that is made of the
  /// answer. Each list has its length before it, so different requests never give the same words.
  ///
  /// - Parameter number: Of the deployment: another one after each load.
  /// - Returns: nil for a request that is to be computed whatever was computed before.
  func tag(of request: RequestPointer, deployment number: UInt64) -> HashTag? {
    // What is hashed here has to be what runs, or a wrong answer is kept for others: of inputs in shared memory, which their
    // sender may change at any time, these are copies.
    let inputs = request.pointee.inputs
    var room = ResponseCache.mostInputBytes
    for index in 0..<inputs.count { room -= inputs[index].bytes.count }
    guard room >= 0 else { return nil }
    var hasher = SipHasher(seed: seed)
    hasher.combine(number)
    let requested = request.pointee.requestedOutputs
    hasher.combine(UInt64(requested.count))
    for position in 0..<requested.count { hasher.combine(UInt64(requested[position].index)) }
    hasher.combine(UInt64(inputs.count))
    for index in 0..<inputs.count {
      hasher.combine(UnsafeRawBufferPointer(inputs[index].shape))
      hasher.combine(inputs[index].bytes)
    }
    // No parameter at all is the usual case; what follows the last one needs no count before it.
    let parameters = request.pointee.parameters
    for index in 0..<parameters.count {
      switch use(of: parameters[index]) {
      case .queue: continue
      case .sequence: return nil
      case .backend: combine(parameters[index], into: &hasher)
      }
    }
    return hasher.finish()
  }

  private enum Use {
    /// It says when the request runs, or how its answer is sent, and changes no answer.
    case queue
    /// What was asked before changes the answer.
    case sequence
    case backend
  }

  /// Triton's reserved keys, by what they are for; all others are the backend's own. ("Parameters Extension".)
  private func use(of parameter: RequestParameter) -> Use {
    let key = parameter.key
    if key.equals("priority") || key.equals("timeout") || key.begins(with: "triton_") { return .queue }
    guard key.equals("sequence_id") || key.equals("sequence_start") || key.equals("sequence_end") else { return .backend }
    return switch parameter.value {
    case .unset, .bool(false), .int64(0), .uint64(0): .queue
    case .string(let text): text.count == 0 ? .queue : .sequence
    case .bool, .int64, .uint64, .double: .sequence
    }
  }

  private func combine(_ parameter: RequestParameter, into hasher: inout SipHasher) {
    hasher.combine(parameter.key)
    switch parameter.value {
    case .unset: hasher.combine(0)
    case .bool(let value):
      hasher.combine(1)
      hasher.combine(value ? 1 : 0)
    case .int64(let value):
      hasher.combine(2)
      hasher.combine(UInt64(bitPattern: value))
    case .uint64(let value):
      hasher.combine(3)
      hasher.combine(value)
    case .double(let value):
      hasher.combine(4)
      hasher.combine(value.bitPattern)
    case .string(let value):
      hasher.combine(5)
      hasher.combine(value)
    }
  }
}
