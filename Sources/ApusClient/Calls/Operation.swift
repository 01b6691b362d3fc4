internal import EventLoops
internal import GRPC
internal import GRPCClient
internal import HTTP2
internal import Inference

/// A call from its submission to its end, on one event loop: what unary calls and streams have in common.
///
/// ```
/// run ──▶ chooses ──▶ start(on:) ──▶ … ──▶ end
///           │  ▲
///           ▼  │ a connection is ready, or none can be had
///         waits in the pool, until the deadline
/// ```
///
/// Retained by itself while it runs, so that the engine's events find it.
class Operation: LoopTask {
  let method: ClientMethod
  let options: OperationOptions
  var waitsForConnection: Bool { options.waitsForConnection }
  /// Set by `run`.
  private(set) unowned(unsafe) var loop: ClientLoop!
  private(set) var isEnded = false
  private(set) var startedAt = Instant(nanoseconds: 0)
  private var isRunning = false
  private var isWaiting = false
  private var timer: LoopTimer?

  // Links of the loop's list.
  var nextRunning: Operation?
  unowned(unsafe) var previousRunning: Operation?

  init(_ method: ClientMethod, _ options: OperationOptions) {
    self.method = method
    self.options = options
  }

  // MARK: For subclasses

  /// A connection takes the call.
  func start(on connection: ClientConnection, target: Int) { fatalError("a kind of call can't start. This is a bug.") }

  /// None can be had.
  func hasNoConnection(_ error: ClientError) { end(error) }

  /// What waits for nothing to come is to be stopped; then `end` is called.
  func stop() {}

  /// It is over.
  func ended(_ error: ClientError?) {}

  // MARK: Life

  override func refuse() { ended(Self.clientIsClosed) }

  private static let clientIsClosed = ClientError(.client, .unavailable, "the client is closed", mayHaveRun: false)

  override func run(on loop: ClientLoop) {
    self.loop = loop
    guard !isEnded else { return ended(cancelled) }  // cancelled before it got here
    isRunning = true
    startedAt = loop.eventLoop.now
    loop.add(self)
    loop.counters.add(1, to: .started)
    if loop.isClosing {
      return end(Self.clientIsClosed)
    }
    if options.deadline <= startedAt { return end(deadlinePassed(mayHaveRun: false)) }
    findConnection()
  }

  func findConnection() {
    // Another attempt's failure brought it here: one place in the queue is enough.
    guard !isWaiting else { return }
    switch loop.pool.choose(waitsForConnection: waitsForConnection) {
    case .use(let connection, let target): start(on: connection, target: target)
    case .fail(let error): hasNoConnection(error)
    case .wait: waitForConnection()
    }
  }

  private func waitForConnection() {
    isWaiting = true
    loop.pool.wait(self)
    setTimer(at: options.deadline)
  }

  func tookConnection() {
    guard isWaiting else { return }
    isWaiting = false
    clearTimer()
  }

  /// Fires `timeCame` once.
  func setTimer(at instant: Instant) {
    guard instant < .never else { return }
    if timer == nil { timer = LoopTimer(loop: loop.eventLoop) { [unowned self] in timerFired() } }
    timer?.arm(at: instant)
  }

  func clearTimer() { timer?.disarm() }

  private func timerFired() {
    if loop.eventLoop.now >= options.deadline {
      end(deadlinePassed(mayHaveRun: hasBeenSent))
    } else if isWaiting {
      setTimer(at: options.deadline)
    } else {
      timeCame()
    }
  }

  /// The timer's instant came, before the deadline, and it waits for no connection.
  func timeCame() {}

  /// Whether anything of it has left.
  var hasBeenSent: Bool { false }

  /// Ends it, the first time only.
  ///
  /// - Parameter error: Nil: it succeeded.
  func end(_ error: ClientError?) {
    guard !isEnded else { return }
    isEnded = true
    guard isRunning else { return }  // not submitted yet: `run` will see
    if isWaiting { loop.pool.forget(self) }
    clearTimer()
    stop()
    let nanoseconds = loop.eventLoop.now.nanoseconds(since: startedAt)
    loop.counters.finished(error?.code ?? .ok, nanoseconds: nanoseconds)
    let loop = loop!
    ended(error)
    loop.remove(self)
  }

  /// The task that waits for it was cancelled. The loop's thread.
  func cancel() {
    var error = cancelled
    error.mayHaveRun = hasBeenSent
    end(error)
  }

  private var cancelled: ClientError {
    ClientError(.client, .cancelled, "the call was cancelled", mayHaveRun: false)
  }

  private func deadlinePassed(mayHaveRun: Bool) -> ClientError {
    let text =
      mayHaveRun
      ? "the call's deadline passed before its answer was there"
      : "the call's deadline passed before there was a connection for it" + reasonForWaiting
    return ClientError(.client, .deadlineExceeded, text, mayHaveRun: mayHaveRun)
  }

  private var reasonForWaiting: String { isWaiting ? loop.pool.reasonForWaiting : "" }
}

/// What an operation needs to know of its call's options.
struct OperationOptions: Sendable {
  var deadline: Instant
  var waitsForConnection: Bool
  var isIdempotent: Bool
  var compression: Compression
  /// Nil: the client's.
  var retry: RetryPolicy?
  var hedging: HedgingPolicy?
  /// Sent beside what the template has.
  var metadata: Metadata
  /// Whether anybody wants to see what the server sent beside the message.
  var keepsMetadata: Bool
}

extension ClientError {
  /// What the engine says of a call that failed.
  init(_ outcome: GRPCClient.CallOutcome, trailers: Metadata) {
    let origin: Origin =
      switch outcome.origin {
      case .server: .server
      case .connection: .connection
      case .client, .deadline, .cancelled: .client
      }
    self.init(
      origin, StatusCode(rawValue: outcome.status.code.rawValue) ?? .unknown, outcome.status.message,
      trailers: trailers, mayHaveRun: outcome.mayHaveRun)
  }
}

extension ClientCallPointer {
  /// What the server sent with its status: trailers, or headers where they were the whole answer.
  var metadataAtEnd: Metadata {
    let trailers = trailers
    return (trailers.count > 0 ? Metadata(trailers) : Metadata(initialMetadata)).withoutStatus
  }
}
