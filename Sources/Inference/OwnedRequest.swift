internal import Glibc
internal import Synchronization

/// A request that holds everything it points to, and can be waited for: for a gateway, an SDK or a test.
///
/// The gRPC door keeps its requests in recycled calls instead. Hand `pointer` to a pool, hold on to the object until
/// `wait()` has returned, then read `outputs` or `failure`.
///
/// `@unchecked`: like every request it belongs to one stage at a time, and `cancel()` is safe from any thread.
package final class OwnedRequest: @unchecked Sendable {
  /// A tensor as everyday Swift has it.
  package struct Value: Hashable, Sendable {
    package var name: String
    package var datatype: Datatype
    package var shape: [Int64]
    package var bytes: [UInt8]

    package init(name: String, datatype: Datatype, shape: [Int64], bytes: [UInt8]) {
      self.name = name
      self.datatype = datatype
      self.shape = shape
      self.bytes = bytes
    }

    /// - Parameter elements: Row-major; of the Swift type that lies in memory as `datatype` does.
    package init<Element: BitwiseCopyable>(name: String, datatype: Datatype, shape: [Int64], elements: [Element]) {
      self.init(name: name, datatype: datatype, shape: shape, bytes: elements.withUnsafeBytes { Array($0) })
    }

    /// The bytes as elements of a fixed size.
    package func elements<Element: BitwiseCopyable>(as _: Element.Type) -> [Element] {
      bytes.withUnsafeBytes { bytes in
        stride(from: 0, to: bytes.count, by: MemoryLayout<Element>.stride).map {
          bytes.loadUnaligned(fromByteOffset: $0, as: Element.self)
        }
      }
    }
  }

  package let pointer: RequestPointer
  private let arena: UnsafeMutablePointer<Arena>
  private let mailbox: ReplyMailbox
  // A pipe does here what an eventfd does for a loop: readable after a wake-up, 8 bytes each.
  private let readEnd: Int32
  private let writeEnd: Int32

  /// - Parameter requestedOutputs: Names, each with its number of classes (0: the tensor itself). Empty: all outputs.
  /// - Throws: `.resourceExhausted` when the process is out of descriptors.
  package init(
    model: String = "", version: String = "", id: String = "", inputs: [Value],
    requestedOutputs: [(name: String, classCount: Int)] = [], parameters: [String: Int64] = [:],
    deadline: Instant = .never, arrival: Instant = .now()
  ) throws(InferenceError) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else {
      throw .resourceExhausted("no descriptor left for a waiting request: errno \(errno)")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (readEnd, writeEnd) = (ends[0], ends[1])
    mailbox = ReplyMailbox(wakeDescriptor: writeEnd)
    arena = .allocate(capacity: 1)
    arena.initialize(to: Arena())
    pointer = .allocate(capacity: 1)
    pointer.initialize(to: InferenceRequest(arena: arena, replyTo: .passUnretained(mailbox)))
    pointer.pointee.modelName = keep(model.utf8)
    pointer.pointee.modelVersion = keep(version.utf8)
    pointer.pointee.id = keep(id.utf8)
    pointer.pointee.inputs = keepValues(
      inputs.map {
        Tensor(
          name: keep($0.name.utf8), datatype: $0.datatype, shape: UnsafeBufferPointer(keepValues($0.shape)),
          bytes: keep($0.bytes))
      })
    pointer.pointee.requestedOutputs = keepValues(
      requestedOutputs.map { RequestedOutput(name: keep($0.name.utf8), classCount: $0.classCount) })
    pointer.pointee.parameters = keepValues(
      parameters.map { RequestParameter(key: keep($0.key.utf8), value: .int64($0.value)) })
    pointer.pointee.deadline = deadline
    pointer.pointee.arrival = arrival
  }

  deinit {
    pointer.pointee.releaseAnswer()
    pointer.deinitialize(count: 1)
    pointer.deallocate()
    arena.deinitialize(count: 1)
    arena.deallocate()
    close(readEnd)
    close(writeEnd)
  }

  /// Blocks the calling thread until the request is answered. Call it once for each submission that was accepted.
  package func wait() {
    var count: UInt64 = 0
    repeat {
      while read(readEnd, &count, 8) < 0 && errno == EINTR {}
    } while mailbox.take() == nil
  }

  /// Says that nobody wants the answer any more. It is answered all the same.
  package func cancel() { pointer.pointee.cancelled.store(true, ordering: .relaxed) }

  /// Why it failed, once it is answered.
  package var failure: InferenceError? { pointer.pointee.failure }

  /// Copies of the answer's tensors.
  package var outputs: [Value] {
    pointer.pointee.outputs.map {
      Value(
        name: String(decoding: $0.name, as: UTF8.self), datatype: $0.datatype, shape: Array($0.shape),
        bytes: Array($0.bytes))
    }
  }

  // The arena has no limit here, so allocation can't fail.

  private func keep(_ bytes: some Collection<UInt8>) -> UnsafeRawBufferPointer {
    let kept = UnsafeMutableRawBufferPointer(start: arena.pointee.allocate(byteCount: bytes.count)!, count: bytes.count)
    kept.copyBytes(from: bytes)
    return UnsafeRawBufferPointer(kept)
  }

  private func keepValues<Value>(_ values: [Value]) -> UnsafeMutableBufferPointer<Value> {
    let kept = UnsafeMutableBufferPointer(
      start: arena.pointee.allocate(Value.self, count: values.count)!, count: values.count)
    _ = kept.initialize(from: values)
    return kept
  }
}
