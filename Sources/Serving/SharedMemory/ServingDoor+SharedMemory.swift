internal import Inference
internal import Synchronization

// Tensors in shared memory, of the few requests that have any. Inputs are copied once before the request is checked, so what
// was checked is what runs; outputs are copied once when the answer is there.
//
// ```
// submit ─ takeIn: regions found, inputs copied ─▶ … run … ─▶ prepareAnswer ─ giveOut: outputs copied ─▶ finish: let go
// ```
extension ServingDoor {
  /// Finds the regions of a request's tensors, and copies its inputs out of them.
  ///
  /// - Returns: Why not; then nothing is held.
  func takeIn(_ request: RequestPointer) -> InferenceError? {
    do throws(InferenceError) {
      guard let sharedMemory else { throw SharedMemoryRegions.notAllowed }
      try sharedMemory.checkCaller(isPrivate: request.pointee.isPrivate)
      var next = request.pointee.sharedTensors
      while let tensor = next {
        try place(tensor, of: request, in: sharedMemory)
        next = tensor.pointee.next
      }
      return nil
    } catch {
      letGo(request)
      return error
    }
  }

  private func place(
    _ tensor: UnsafeMutablePointer<SharedTensor>, of request: RequestPointer, in regions: SharedMemoryRegions
  ) throws(InferenceError) {
    let position = tensor.pointee.position
    do throws(InferenceError) {
      let region = try regions.region(of: tensor.pointee)
      switch tensor.pointee.role {
      case .input:
        let copy = try regions.copy(tensor.pointee, outOf: region)
        request.pointee.inputs[position].bytes = copy.bytes
        tensor.pointee.owner = Unmanaged.passRetained(copy as AnyObject)
      case .output:
        tensor.pointee.owner = Unmanaged.passRetained(region as AnyObject)
      }
    } catch {
      let name =
        switch tensor.pointee.role {
        case .input: "input '\(text(request.pointee.inputs[position].name))'"
        case .output: "output '\(text(request.pointee.requestedOutputs[position].name))'"
        }
      throw InferenceError(error.code, "\(name): \(error.message)")
    }
  }

  /// Copies the outputs that go to shared memory there, and leaves the answer without their bytes. If one has no room, the
  /// request fails; then none is copied.
  func giveOut(_ request: RequestPointer) {
    do throws(InferenceError) {
      // Who went away may use the memory for something else by now.
      guard !request.pointee.cancelled.load(ordering: .relaxed) else {
        throw InferenceError.cancelled("the caller is gone")
      }
      try eachSharedOutput(of: request) { output, tensor throws(InferenceError) in
        try checkRoom(output.pointee, tensor.pointee)
      }
      try eachSharedOutput(of: request) { output, tensor throws(InferenceError) in
        try write(output.pointee, tensor.pointee)
        // The owner stays: the shape may lie with it.
        output.pointee.bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      }
    } catch { request.pointee.failure = error }
  }

  private func eachSharedOutput(
    of request: RequestPointer,
    _ body: (UnsafeMutablePointer<Tensor>, UnsafeMutablePointer<SharedTensor>) throws(InferenceError) -> Void
  ) throws(InferenceError) {
    guard let outputs = request.pointee.outputs.baseAddress else { return }
    var next = request.pointee.sharedTensors
    while let tensor = next {
      if tensor.pointee.role == .output { try body(outputs + tensor.pointee.position, tensor) }
      next = tensor.pointee.next
    }
  }

  private func checkRoom(_ output: Tensor, _ tensor: SharedTensor) throws(InferenceError) {
    guard output.bytes.count <= tensor.byteCount else {
      throw .invalidArgument(
        "output '\(text(output.name))' has \(output.bytes.count) bytes; shared_memory_byte_size gives it "
          + "\(tensor.byteCount) in shared memory region '\(text(tensor.region))'")
    }
  }

  private func write(_ output: Tensor, _ tensor: SharedTensor) throws(InferenceError) {
    guard let owner = tensor.owner else { return }
    let region = Unmanaged<SharedMemoryRegion>.fromOpaque(owner.toOpaque()).takeUnretainedValue()
    do throws(InferenceError) {
      try region.write(output.bytes, at: tensor.offset)
    } catch { throw InferenceError(error.code, "output '\(text(output.name))': \(error.message)") }
  }

  /// Lets go of the copies and regions that a request holds.
  func letGo(_ request: RequestPointer) {
    var next = request.pointee.sharedTensors
    while let tensor = next {
      tensor.pointee.owner?.release()
      tensor.pointee.owner = nil
      next = tensor.pointee.next
    }
  }

  /// A name as an error repeats it: a client chooses it, and not how long the answer gets.
  private func text(_ name: UnsafeRawBufferPointer) -> String { String(decoding: name.prefix(256), as: UTF8.self) }
}
