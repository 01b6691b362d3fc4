import Glibc
import Inference

/// A door for tests: many requests through one mailbox, received in the order in which they were posted.
///
/// `@unchecked`: used by one thread.
final class Client: @unchecked Sendable {
  private let mailbox: ReplyMailbox
  private let readEnd: Int32
  private let writeEnd: Int32
  private let arenaLimit: Int
  /// Holds the inputs, as a received message would, so that a request's own arena can be reset.
  private var inputArena = Arena()

  init(arenaLimit: Int = .max) {
    var ends: [Int32] = [-1, -1]
    precondition(pipe(&ends) == 0)
    (readEnd, writeEnd) = (ends[0], ends[1])
    mailbox = ReplyMailbox(wakeDescriptor: writeEnd)
    self.arenaLimit = arenaLimit
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  /// `context` is the first number.
  func makeRequest(numbers: [Int64]) -> RequestPointer {
    let arena = UnsafeMutablePointer<Arena>.allocate(capacity: 1)
    arena.initialize(to: Arena(limitBytes: arenaLimit))
    let request = RequestPointer.allocate(capacity: 1)
    request.initialize(to: InferenceRequest(arena: arena, replyTo: .passUnretained(mailbox)))
    let name: StaticString = "x"
    let shape = inputArena.allocate(Int64.self, count: 2)!
    shape[0] = Int64(numbers.count)
    shape[1] = 1
    let values = inputArena.allocate(Int64.self, count: numbers.count)!
    for (index, number) in numbers.enumerated() { values[index] = number }
    let inputs = inputArena.allocate(Tensor.self, count: 1)!
    inputs.initialize(
      to: Tensor(
        name: UnsafeRawBufferPointer(start: name.utf8Start, count: 1), datatype: .int64,
        shape: UnsafeBufferPointer(start: shape, count: 2),
        bytes: UnsafeRawBufferPointer(start: values, count: 8 * numbers.count)))
    request.pointee.inputs = UnsafeMutableBufferPointer(start: inputs, count: 1)
    request.pointee.arrival = .now()
    request.pointee.context = UnsafeMutableRawPointer(bitPattern: UInt(numbers[0]))
    return request
  }

  /// Blocks until something is posted; oldest first.
  func receive() -> [RequestPointer] {
    var received: [RequestPointer] = []
    while received.isEmpty {
      var count: UInt64 = 0
      while read(readEnd, &count, 8) < 0 && errno == EINTR {}
      var next = mailbox.take()
      while let request = next {
        next = request.pointee.next
        received.append(request)
      }
    }
    return received
  }

  func free(_ request: RequestPointer) {
    request.pointee.releaseAnswer()
    let arena = request.pointee.arena
    request.deinitialize(count: 1)
    request.deallocate()
    arena.deinitialize(count: 1)
    arena.deallocate()
  }
}

extension InferenceRequest {
  /// The numbers that came back.
  var answeredNumbers: [Int64] {
    guard let bytes = outputs.first?.bytes else { return [] }
    return stride(from: 0, to: bytes.count, by: 8).map { bytes.loadUnaligned(fromByteOffset: $0, as: Int64.self) }
  }
}
