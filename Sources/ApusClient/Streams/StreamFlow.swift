internal import GRPC
internal import Threads

/// Where a stream's two ends meet: the tasks that send and read, and the event loop that has the call.
///
/// ```
/// send ──▶ bytes on their way ──▶ loop ──▶ server      over the bound: send waits for `sent`
/// next ◀── answers            ◀── loop ◀── server      over the bound: the loop reads no more until `next` is near
/// ```
final class StreamFlow: Sendable {
  /// Sent but not written: where senders begin to wait.
  static let mostBytesOut = 1 << 20
  /// Received but not read: where the loop stops reading, and where it goes on.
  static let mostAnswers = 64
  static let fewAnswers = 16

  private let state = Locked(State())

  private struct State {
    var bytesOut = 0
    var isFinished = false
    var senders: [UnsafeContinuation<Void, Never>] = []
    var answers: [ReceivedMessage] = []
    var nextAnswer = 0
    var isPaused = false
    var reader: UnsafeContinuation<Void, Never>?
    /// How it ended; the error is nil for OK.
    var end: Result<Void, ClientError>?
    var metadata = Metadata()
    var trailers = Metadata()

    var waitingAnswers: Int { answers.count - nextAnswer }
  }

  // MARK: Out

  /// Bytes that are handed to the loop. Whoever sends waits while too many are on their way.
  ///
  /// - Throws: How the stream ended, if it has.
  func send(_ byteCount: Int, _ post: () -> Void) async throws(ClientError) {
    let end = state.withLock { state -> Result<Void, ClientError>? in
      if let end = state.end { return end }
      if state.isFinished { return .success(()) }
      state.bytesOut += byteCount
      return nil
    }
    switch end {
    case .failure(let error): throw error
    case .success: throw ClientError(.client, .failedPrecondition, "the stream has ended; nothing can be sent on it")
    case nil: post()
    }
    await withUnsafeContinuation { continuation in
      let mustWait = state.withLock { state in
        guard state.end == nil, state.bytesOut > Self.mostBytesOut else { return false }
        state.senders.append(continuation)
        return true
      }
      if !mustWait { continuation.resume() }
    }
  }

  /// Nothing more is sent. False if that was said before.
  func finish() -> Bool {
    state.withLock { state in
      defer { state.isFinished = true }
      return !state.isFinished
    }
  }

  /// The loop: so many bytes have been written.
  func sent(_ byteCount: Int) {
    let senders = state.withLock { state -> [UnsafeContinuation<Void, Never>] in
      state.bytesOut -= byteCount
      guard state.bytesOut <= Self.mostBytesOut else { return [] }
      let senders = state.senders
      state.senders = []
      return senders
    }
    for sender in senders { sender.resume() }
  }

  // MARK: In

  /// The loop: a message came. Returns whether to stop reading.
  func received(_ message: ReceivedMessage) -> Bool {
    let (reader, mustPause) = state.withLock { state -> (UnsafeContinuation<Void, Never>?, Bool) in
      state.answers.append(message)
      let mustPause = state.waitingAnswers >= Self.mostAnswers && !state.isPaused
      if mustPause { state.isPaused = true }
      let reader = state.reader
      state.reader = nil
      return (reader, mustPause)
    }
    reader?.resume()
    return mustPause
  }

  func received(metadata: Metadata) { state.withLock { $0.metadata = metadata } }

  /// The loop: nothing more comes. Answers that came before are still read.
  func ended(_ result: Result<Void, ClientError>, trailers: Metadata) {
    let waiting = state.withLock { state -> [UnsafeContinuation<Void, Never>] in
      guard state.end == nil else { return [] }
      state.end = result
      state.trailers = trailers
      var waiting = state.senders
      state.senders = []
      if let reader = state.reader { waiting.append(reader) }
      state.reader = nil
      return waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  enum Next {
    /// And whether the loop is to read on.
    case answer(ReceivedMessage, mustResume: Bool)
    case end(Result<Void, ClientError>)
  }

  /// The next answer, or the end; one reader at a time.
  func next() async -> Next {
    while true {
      if let next = takeNext() { return next }
      await withUnsafeContinuation { continuation in
        let mustWait = state.withLock { state in
          precondition(state.reader == nil, "a stream of inferences is read by two tasks at once")
          guard state.waitingAnswers == 0, state.end == nil else { return false }
          state.reader = continuation
          return true
        }
        if !mustWait { continuation.resume() }
      }
    }
  }

  private func takeNext() -> Next? {
    state.withLock { state in
      if state.nextAnswer < state.answers.count {
        let answer = state.answers[state.nextAnswer]
        state.nextAnswer += 1
        if state.nextAnswer == state.answers.count || state.nextAnswer >= 2 * Self.mostAnswers {
          state.answers.removeFirst(state.nextAnswer)
          state.nextAnswer = 0
        }
        let mustResume = state.isPaused && state.waitingAnswers <= Self.fewAnswers
        if mustResume { state.isPaused = false }
        return .answer(answer, mustResume: mustResume)
      }
      return state.end.map { .end($0) }
    }
  }

  var metadata: Metadata { state.withLock { $0.metadata } }
  var trailers: Metadata { state.withLock { $0.trailers } }
}
