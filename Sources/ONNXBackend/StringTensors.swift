internal import CONNXRuntime
internal import Glibc
internal import Inference

// BYTES elements are runs of any bytes: NUL and broken UTF-8 go through unharmed, because both ways use lengths.

extension ONNXInstance {
  /// Makes a string tensor from elements that are each a 4-byte little-endian length and that many bytes.
  ///
  /// - Throws: `.invalidArgument` if the elements are not as many as the shape says, or do not fill the bytes exactly.
  func makeStringValue(_ tensor: Tensor, name: UnsafePointer<CChar>?) throws(InferenceError) -> OpaquePointer {
    // Before any memory is taken for it: each element needs 4 bytes for its length.
    let count = elementCount(tensor.shape)
    guard count <= tensor.bytes.count / 4 else { throw misfit(tensor, name, "are too few for \(count) elements") }
    var value: OpaquePointer?
    try check(
      api.CreateTensorAsOrtValue(
        allocator, tensor.shape.baseAddress, tensor.shape.count, OrtElementType.string.rawValue, &value))
    do throws(InferenceError) {
      try fill(value, count, from: tensor, name)
      return value!
    } catch {
      api.ReleaseValue(value)
      throw error
    }
  }

  private func fill(
    _ value: OpaquePointer?, _ count: Int, from tensor: Tensor, _ name: UnsafePointer<CChar>?
  ) throws(InferenceError) {
    let bytes = tensor.bytes
    var offset = 0
    for index in 0..<count {
      guard bytes.count - offset >= 4 else { throw misfit(tensor, name, "end before element \(index) of \(count)") }
      let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      offset += 4
      guard bytes.count - offset >= length else {
        throw misfit(tensor, name, "end inside element \(index), whose length is given as \(length)")
      }
      var room: UnsafeMutablePointer<CChar>?
      try check(api.GetResizedStringTensorElementBuffer(value, index, length, &room))
      if length > 0 {
        UnsafeMutableRawPointer(room!).copyMemory(from: bytes.baseAddress! + offset, byteCount: length)
      }
      offset += length
    }
    guard offset == bytes.count else { throw misfit(tensor, name, "go on after the last of \(count) elements") }
  }

  private func misfit(_ tensor: Tensor, _ name: UnsafePointer<CChar>?, _ what: String) -> InferenceError {
    let name = name.map { String(cString: $0) } ?? ""
    return .invalidArgument("input '\(name)': its \(tensor.bytes.count) bytes \(what)")
  }

  /// Copies a string tensor's elements, each behind its length.
  ///
  /// - Returns: Memory of the caller's.
  func serialise(_ value: OpaquePointer, count: Int) throws(InferenceError) -> UnsafeMutableRawBufferPointer {
    var total = 0
    if count > 0 { try check(api.GetStringTensorDataLength(value, &total)) }
    let serialised = UnsafeMutableRawBufferPointer.allocate(byteCount: total + 4 * count, alignment: 16)
    guard count > 0 else { return serialised }

    // The library writes the contents at the block's end, then each moves forward to its place behind its length. The
    // lengths of later elements never reach the contents of elements that have not moved:
    //
    //   [ room for 4 × count | aaa | b | cc ]  ──▶  [ 3 aaa | 1 b | 2 cc ]
    let bytes = serialised.baseAddress!
    let contents = bytes + 4 * count
    let offsets = UnsafeMutablePointer<Int>.allocate(capacity: count + 1)
    defer { offsets.deallocate() }
    do throws(InferenceError) {
      try check(api.GetStringTensorContent(value, contents, total, offsets, count))
      offsets[count] = total
      for index in 0..<count {
        let length = offsets[index + 1] - offsets[index]
        guard let shortLength = UInt32(exactly: length) else {
          throw .internal("an output element has \(length) bytes; at most \(UInt32.max) can be sent")
        }
        let place = bytes + 4 * index + offsets[index]
        place.storeBytes(of: shortLength.littleEndian, as: UInt32.self)
        memmove(place + 4, contents + offsets[index], length)
      }
      return serialised
    } catch {
      serialised.deallocate()
      throw error
    }
  }
}
