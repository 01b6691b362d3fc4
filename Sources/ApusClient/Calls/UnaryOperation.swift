internal import EventLoops
internal import GRPC
internal import GRPCClient
internal import HTTP2
internal import Inference
internal import Synchronization

/// A unary call: its attempts, until one brings an answer or none is left.
///
/// `@unchecked Sendable`: a task makes it and hands it to the loop with its continuation; what it brought back is
/// written before the task is resumed and read after.
final class UnaryOperation: Operation, @unchecked Sendable {
  /// Resumed once, when the outcome is there. Set before the operation is handed over.
  var continuation: UnsafeContinuation<Void, Never>?
  private(set) var result: Result<ReceivedMessage, ClientError>?
  /// Of the attempt that succeeded, if the options say to keep them.
  private(set) var metadata = Metadata()
  private(set) var trailers = Metadata()
  private(set) var attemptCount = 0

  private let request: OutgoingRequest
  /// Orders what the loop wrote before what the task reads: resuming does so too, but not for ThreadSanitizer to see.
  private let isComplete = Atomic<Bool>(false)
  private var first = Attempt()
  /// Attempts beside the first: hedges.
  private var others: [Attempt] = []
  /// Made when the first attempt fails, or at the start where the call is hedged.
  private var plan: AttemptPlan?
  private var headers = HeaderBlock()

  /// The state of one attempt; `call` is nil where none runs.
  private struct Attempt {
    var call: ClientCallPointer?
    var message: MessageBuffer?
  }

  init(_ method: ClientMethod, _ request: OutgoingRequest, _ options: OperationOptions) {
    self.request = request
    super.init(method, options)
  }

  deinit { headers.deallocate() }

  /// The task, when it is resumed and before it reads anything else.
  func seeOutcome() { _ = isComplete.load(ordering: .acquiring) }

  // MARK: Attempts

  override func start(on connection: ClientConnection, target: Int) {
    tookConnection()
    guard !isEnded else { return }
    let position = first.call == nil ? 0 : others.count + 1
    if attemptCount == 0, !options.metadata.fields.isEmpty { headers = options.metadata.block() }
    let template = loop.template(method, target: target, compression: options.compression)
    let call = connection.start(
      template, metadata: headers.count > 0 ? headers : nil, deadline: options.deadline, observer: self,
      tag: UInt(position))
    // It may have run out of stream numbers.
    guard let call else { return findConnection() }
    attemptCount += 1
    if position == 0 { first = Attempt(call: call) } else { others.append(Attempt(call: call)) }
    loop.counters.add(request.byteCount, to: .bytesSent)
    request.send(on: call)
    noteStart()
  }

  private func noteStart() {
    if attemptCount == 1, options.hedging != nil, options.isIdempotent, plan == nil { plan = makePlan() }
    guard plan != nil, let next = plan?.started(at: loop.eventLoop.now) else { return }
    setTimer(at: next)
  }

  private func makePlan() -> AttemptPlan {
    AttemptPlan(
      retry: options.retry ?? loop.settings.options.retry, hedging: options.hedging, isIdempotent: options.isIdempotent,
      deadline: options.deadline)
  }

  /// Time to retry, or to hedge.
  override func timeCame() {
    guard plan != nil else { return }
    if plan?.running == 0 {
      loop.counters.add(1, to: .retries)
      return findConnection()
    }
    guard plan?.mayHedge(loop.throttle) == true else { return }
    // A hedge does not wait for a connection: the call has one already.
    if case .use(let connection, let target) = loop.pool.choose(waitsForConnection: false) {
      loop.counters.add(1, to: .hedges)
      start(on: connection, target: target)
    }
  }

  override func hasNoConnection(_ error: ClientError) {
    tookConnection()
    if plan == nil { plan = makePlan() }
    _ = plan?.started(at: loop.eventLoop.now)
    failed(error, wasReturned: false)
  }

  override var hasBeenSent: Bool { first.call != nil || attemptCount > 0 }

  private func failed(_ error: ClientError, wasReturned: Bool) {
    if plan == nil {
      plan = makePlan()
      _ = plan?.started(at: loop.eventLoop.now)
    }
    let advice = error.origin == .server ? RetryAdvice(error.trailers) : nil
    let failure = AttemptFailure(
      // A server that says when to come back has not run the call.
      code: error.code, mayHaveRun: error.mayHaveRun && advice == nil, wasReturned: wasReturned, advice: advice)
    let verdict = plan?.failed(failure, at: loop.eventLoop.now, &loop.throttle, using: &loop.random) ?? .fail
    switch verdict {
    case .fail: end(error)
    case .wait: break
    case .start(let instant):
      if instant > loop.eventLoop.now { return setTimer(at: instant) }
      loop.counters.add(1, to: .retries)
      findConnection()
    }
  }

  // MARK: End

  override func stop() {
    // Each ends with `finished`, which sees that the operation has ended.
    first.call?.cancel()
    for attempt in others { attempt.call?.cancel() }
    drop(first.message)
    for attempt in others { drop(attempt.message) }
    first = Attempt()
    others = []
  }

  private func drop(_ message: MessageBuffer?) {
    if let message { loop.grpc.buffers.give(message) }
  }

  override func ended(_ error: ClientError?) {
    if let error { result = .failure(error) }
    isComplete.store(true, ordering: .releasing)
    continuation?.resume()
  }
}

extension UnaryOperation: ClientCallObserver {
  func received(_ message: MessageBuffer, on call: ClientCallPointer) {
    if call.tag == 0 { first.message = message } else { others[Int(call.tag) - 1].message = message }
  }

  func finished(_ call: ClientCallPointer, _ outcome: GRPCClient.CallOutcome) {
    guard !isEnded else { return }
    var attempt = Attempt()
    if call.tag == 0 {
      swap(&attempt, &first)
    } else {
      swap(&attempt, &others[Int(call.tag) - 1])
    }
    if outcome.status.code == .ok, let message = attempt.message { return succeeded(call, message) }
    drop(attempt.message)
    let error = ClientError(outcome, trailers: outcome.origin == .server ? call.metadataAtEnd : Metadata())
    if outcome.origin == .deadline { return end(error) }
    failed(error, wasReturned: !outcome.mayHaveRun && outcome.origin != .client)
  }

  private func succeeded(_ call: ClientCallPointer, _ message: MessageBuffer) {
    loop.throttle.succeeded()
    loop.counters.add(message.bytes.count, to: .bytesReceived)
    result = .success(ReceivedMessage(message, returns: loop.returns))
    if options.keepsMetadata {
      metadata = Metadata(call.initialMetadata)
      trailers = Metadata(call.trailers).withoutStatus
    }
    end(nil)
  }
}
