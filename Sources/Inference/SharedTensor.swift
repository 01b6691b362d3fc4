/// A tensor of a request that lies in shared memory instead of the message: an input that is read from there, or a
/// requested output that goes there.
///
/// Requests that have any are few, so tensors themselves know nothing of it: these lie in the request's arena, as a list.
/// Source: Triton, "Shared-Memory Extension".
package struct SharedTensor {
  package enum Role: Hashable, Sendable {
    case input, output
  }

  package var role: Role
  /// Its place among the request's inputs as they came, or among its requested outputs.
  package var position: Int
  /// Name of a region that a client registered; in the message or the arena.
  package var region: UnsafeRawBufferPointer
  /// Where its bytes begin in the region. Never negative.
  package var offset: Int
  /// How many bytes the input has, or the output may have. Never negative.
  package var byteCount: Int
  /// Set at the door: what holds an input's bytes, or an output's region. Retained; the door releases it.
  package var owner: Unmanaged<AnyObject>?
  package var next: UnsafeMutablePointer<SharedTensor>?

  package init(role: Role, position: Int, region: UnsafeRawBufferPointer, offset: Int, byteCount: Int) {
    self.role = role
    self.position = position
    self.region = region
    self.offset = offset
    self.byteCount = byteCount
  }

  /// Where a requested output goes, out of a list; nil: with the answer.
  package static func output(
    at position: Int, in list: UnsafeMutablePointer<SharedTensor>?
  ) -> UnsafeMutablePointer<SharedTensor>? {
    var next = list
    while let tensor = next {
      if tensor.pointee.role == .output, tensor.pointee.position == position { return tensor }
      next = tensor.pointee.next
    }
    return nil
  }
}

extension InferenceRequest {
  /// Notes that one of its tensors lies in shared memory. False: the arena is at its limit.
  package mutating func note(_ tensor: SharedTensor) -> Bool {
    guard let place = arena.pointee.allocate(SharedTensor.self, count: 1) else { return false }
    place.initialize(to: tensor)
    place.pointee.next = sharedTensors
    sharedTensors = place
    return true
  }

  /// How many of its inputs lie in shared memory.
  package var sharedInputCount: Int {
    var count = 0
    var next = sharedTensors
    while let tensor = next {
      if tensor.pointee.role == .input { count += 1 }
      next = tensor.pointee.next
    }
    return count
  }
}

/// The parameters of one tensor that say where in shared memory it lies, while they are read.
package struct SharedTensorParameters {
  package var region: UnsafeRawBufferPointer?
  /// Never negative.
  package var byteSize: Int64?
  /// Never negative.
  package var offset: Int64?

  package init() {}

  /// Whether none of them was given.
  package var isEmpty: Bool { region == nil && byteSize == nil && offset == nil }

  /// Takes a parameter in.
  ///
  /// - Parameter tensor: Such as `input 'x'`, for errors.
  /// - Returns: Whether it is one of them.
  /// - Throws: `.invalidArgument` if its value is of the wrong kind.
  package mutating func take(
    _ key: UnsafeRawBufferPointer, _ value: RequestParameter.Value, of tensor: @autoclosure () -> String
  ) throws(InferenceError) -> Bool {
    if key.equals("shared_memory_region") {
      guard case .string(let name) = value else {
        throw .invalidArgument("\(tensor()): parameter 'shared_memory_region' is a string")
      }
      region = name
      return true
    }
    if key.equals("shared_memory_byte_size") {
      guard case .int64(let count) = value, count >= 0 else {
        throw .invalidArgument("\(tensor()): parameter 'shared_memory_byte_size' is an int64 of 0 or more")
      }
      byteSize = count
      return true
    }
    if key.equals("shared_memory_offset") {
      guard case .int64(let start) = value, start >= 0 else {
        throw .invalidArgument("\(tensor()): parameter 'shared_memory_offset' is an int64 of 0 or more")
      }
      offset = start
      return true
    }
    return false
  }

  /// Where the tensor lies; nil: none of the parameters was given.
  ///
  /// - Parameter tensor: Such as `input 'x'`, for errors.
  /// - Throws: `.invalidArgument` if one is given without those that it needs.
  package func place(
    _ role: SharedTensor.Role, _ position: Int, of tensor: @autoclosure () -> String
  ) throws(InferenceError) -> SharedTensor? {
    if isEmpty { return nil }
    guard let region, region.count > 0 else {
      throw .invalidArgument("\(tensor()) lacks the parameter 'shared_memory_region', the name of a region in shared memory")
    }
    guard let byteSize else {
      throw .invalidArgument(
        "\(tensor()) has the parameter 'shared_memory_region', but lacks 'shared_memory_byte_size', its size there")
    }
    return SharedTensor(
      role: role, position: position, region: region, offset: Int(offset ?? 0), byteCount: Int(byteSize))
  }
}
