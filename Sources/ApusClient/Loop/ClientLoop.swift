internal import EventLoops
internal import GRPCClient
internal import Inference
internal import Threads

/// One event loop of a client, on a thread of its own: its connections, and the calls that are on them or wait for one.
///
/// Everything but `mailbox`, `executor`, `returns` and `counters` belongs to its thread.
final class ClientLoop: @unchecked Sendable {
  let eventLoop: EventLoop
  let mailbox: LoopMailbox
  let executor: LoopExecutor
  let returns: BufferReturns
  let counters: LoopCounters
  let settings: ClientSettings

  let grpc: GRPCClientLoop
  private(set) var pool: ConnectionPool
  var throttle: RetryThrottle
  var random: SeededGenerator
  private var templates: MethodTemplates
  private var first: Operation?  // those that run, linked in place
  private(set) var runningCount = 0
  @exclusivity(unchecked) private var isTakingMail = false
  private var registration: EventLoop.Registration?
  private var whenIdle: (() -> Void)?
  private(set) var isClosing = false

  init(index: Int, settings: ClientSettings, resolver: NameResolver) throws(SystemError) {
    eventLoop = try EventLoop(index: index)
    mailbox = try LoopMailbox()
    executor = LoopExecutor(mailbox: mailbox)
    counters = LoopCounters()
    self.settings = settings
    let pending = PendingWork()
    // In this order: work makes output, output is flushed, and what the flush brings on is for the next turn.
    eventLoop.atEndOfTurn { pending.loop?.work() }
    grpc = GRPCClientLoop(on: eventLoop)
    eventLoop.atEndOfTurn { pending.loop?.workAgainIfNeeded() }
    returns = BufferReturns(pool: grpc.buffers, executor: executor)
    throttle = RetryThrottle(settings.options.retryBudget)
    random = SeededGenerator(seed: UInt64.random(in: 0 ... .max))
    templates = MethodTemplates(settings: settings)
    pool = ConnectionPool(settings: settings, resolver: resolver, grpc: grpc, counters: counters)
    pending.loop = self
    pool.loop = self
    registration = try eventLoop.register(mailbox.descriptor, for: .readable, MailboxSource(loop: self))
  }

  /// The loop in its own end-of-turn work, which is in use only while `run` holds the loop. Not weak: a class that is
  /// referred to weakly counts its references more slowly, and calls count theirs on the loop.
  private final class PendingWork { unowned(unsafe) var loop: ClientLoop? }

  /// Runs until `stop`; the calling thread becomes the loop's.
  func run() {
    executor.begin()
    eventLoop.run()
    executor.end()
    mailbox.close()
  }

  /// Any thread.
  func execute(_ job: @escaping @Sendable (ClientLoop) -> Void) { eventLoop.execute { job(self) } }

  /// Runs a task after those that were submitted before it. Any thread.
  func submit(_ task: LoopTask) {
    guard executor.isCurrent, !isTakingMail else { return mailbox.post(task) }
    takeMail()
    task.run(on: self)
  }

  // MARK: Turns

  fileprivate func mailboxIsReadable() {
    mailbox.acknowledge()
    takeMail()
  }

  private func takeMail() {
    // Not from within itself, which would put new mail before old.
    guard !isTakingMail else { return }
    isTakingMail = true
    mailbox.take { $0.run(on: self) }
    isTakingMail = false
  }

  /// Jobs make calls and answers make jobs; both before the turn's output is written.
  private func work() {
    takeMail()
    // A long queue of jobs must not keep the sockets waiting.
    if !executor.runJobs() { eventLoop.turnAgain() }
    takeMail()
    returns.collect()
  }

  private func workAgainIfNeeded() {
    if executor.hasJobs { eventLoop.turnAgain() }
  }

  // MARK: Calls

  func template(_ method: ClientMethod, target: Int, compression: Compression) -> RequestTemplate {
    templates.template(method, target: target, compression: compression)
  }

  func add(_ operation: Operation) {
    runningCount += 1
    operation.nextRunning = first
    first?.previousRunning = operation
    first = operation
  }

  func remove(_ operation: Operation) {
    runningCount -= 1
    if let previous = operation.previousRunning {
      previous.nextRunning = operation.nextRunning
    } else {
      first = operation.nextRunning
    }
    operation.nextRunning?.previousRunning = operation.previousRunning
    operation.nextRunning = nil
    operation.previousRunning = nil
    if runningCount == 0, let whenIdle {
      self.whenIdle = nil
      whenIdle()
    }
  }

  // MARK: Closing

  /// Takes no new calls, and tells when those that run have ended; cancels those that still run at `end`.
  func close(by end: Instant, _ ended: @escaping @Sendable () -> Void) {
    isClosing = true
    guard runningCount > 0 else { return finishClosing(ended) }
    whenIdle = { [self] in
      // Not from within the last call's own callbacks.
      eventLoop.execute { self.finishClosing(ended) }
    }
    let timer = LoopTimer(loop: eventLoop) { [self] in cancelAll() }
    timer.arm(at: max(end, eventLoop.now))
    graceTimer = timer
  }

  private var graceTimer: LoopTimer?

  private func cancelAll() {
    while let operation = first {
      operation.end(
        ClientError(.client, .cancelled, "the client was closed before the call had its answer", mayHaveRun: true))
    }
  }

  private func finishClosing(_ ended: () -> Void) {
    graceTimer?.disarm()
    graceTimer = nil
    pool.close()
    if let registration { eventLoop.deregister(registration) }
    registration = nil
    eventLoop.stop()
    ended()
  }
}

/// Tells a loop of its mail.
private final class MailboxSource: EventSource {
  private unowned(unsafe) let loop: ClientLoop  // deregistered before the loop ends
  init(loop: ClientLoop) { self.loop = loop }
  func handle(_ events: Readiness) { loop.mailboxIsReadable() }
}
