internal import Inference
internal import Wire

/// The answer that a message got first, alone, which later ones are compared with.
package struct ReferenceAnswer: Sendable {
  private let message: [UInt8]
  /// The outputs where the message is a ModelInferResponse.
  private let outputs: [InferTensor]?
  /// How far elements of floating-point outputs may differ: by so much, or by that share of the value where it is over 1.
  private let tolerance: Double

  /// - Parameters:
  ///   - message: The answer, without gRPC's prefix.
  ///   - isInference: Whether it is a ModelInferResponse, whose outputs are compared. Else every byte is.
  /// - Throws: `LoadError` for an inference's answer that can't be read.
  package init(_ message: [UInt8], isInference: Bool, tolerance: Double = 0) throws(LoadError) {
    self.message = message
    self.tolerance = tolerance
    guard isInference else {
      outputs = nil
      return
    }
    do throws(InferenceError) {
      outputs = try ModelInferResponse(decoding: message).outputs
    } catch {
      throw LoadError("the first answer can't be read: \(error.message)", .server)
    }
  }

  /// What an answer has otherwise; nil if it is right.
  package func difference(from answer: UnsafeRawBufferPointer) -> String? {
    if answer.count == message.count, answer.elementsEqual(message) { return nil }
    guard let outputs else {
      return "\(answer.count) bytes that differ from the first answer's \(message.count)"
    }
    let found: [InferTensor]
    do throws(InferenceError) {
      found = try ModelInferResponse(decoding: answer).outputs
    } catch {
      return "an answer that can't be read: \(error.message)"
    }
    guard found.count == outputs.count else { return "\(found.count) outputs; expected \(outputs.count)" }
    for (output, expected) in zip(found, outputs) {
      if let difference = difference(output, expected) { return difference }
    }
    return nil  // only names, ids or parameters differ
  }

  private func difference(_ output: InferTensor, _ expected: InferTensor) -> String? {
    let name = "output \(expected.name)"
    guard output.name == expected.name else { return "output \(output.name) in the place of \(expected.name)" }
    guard output.datatype == expected.datatype else {
      return "\(name) is \(output.datatype); expected \(expected.datatype)"
    }
    guard output.shape == expected.shape else { return "\(name) has shape \(output.shape); expected \(expected.shape)" }
    if output.bytes == expected.bytes { return nil }
    guard output.bytes.count == expected.bytes.count else {
      return "\(name) has \(output.bytes.count) bytes; expected \(expected.bytes.count)"
    }
    let size = output.datatype.byteSize ?? 1
    for index in 0..<(output.bytes.count / size) {
      let place = index * size
      if output.bytes[place..<(place + size)] == expected.bytes[place..<(place + size)] { continue }
      guard let left = element(output, place), let right = element(expected, place) else {
        return "\(name) differs from byte \(place) on"
      }
      if left.isNaN, right.isNaN { continue }
      if left.isFinite, right.isFinite, abs(left - right) <= tolerance * max(1, abs(right)) { continue }
      return "\(name), element \(index): \(left); expected \(right)"
    }
    return nil
  }

  /// Nil for datatypes without a tolerance.
  private func element(_ tensor: InferTensor, _ place: Int) -> Double? {
    tensor.bytes.withUnsafeBytes { bytes in
      switch tensor.datatype {
      case .fp16: Double(Float16(bitPattern: bytes.loadUnaligned(fromByteOffset: place, as: UInt16.self)))
      case .bf16: Double(Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: place, as: UInt16.self)) << 16))
      case .fp32: Double(bytes.loadUnaligned(fromByteOffset: place, as: Float.self))
      case .fp64: bytes.loadUnaligned(fromByteOffset: place, as: Double.self)
      default: nil
      }
    }
  }
}
