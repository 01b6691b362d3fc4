internal import GRPC
internal import GRPCClient
internal import HTTP2
internal import Inference

/// A streaming call on its event loop.
///
/// `@unchecked Sendable`: handed to the loop when it is made; tasks reach it through loop tasks and its flow alone.
final class StreamOperation: Operation, @unchecked Sendable {
  private let flow: StreamFlow
  private var call: ClientCallPointer?
  /// Sent before there was a connection.
  private var outbox: [OutgoingRequest] = []
  private var hasFinished = false
  private var wasSent = false
  /// Bytes that the call has and that are not counted as sent yet.
  private var bytesInCall = 0
  private let whenEnded: @Sendable (ClientError?) -> Void

  init(
    _ method: ClientMethod, _ options: OperationOptions, flow: StreamFlow,
    whenEnded: @escaping @Sendable (ClientError?) -> Void
  ) {
    self.flow = flow
    self.whenEnded = whenEnded
    super.init(method, options)
  }

  override var hasBeenSent: Bool { wasSent }

  override func start(on connection: ClientConnection, target: Int) {
    tookConnection()
    guard !isEnded else { return }
    var headers = options.metadata.block()
    defer { headers.deallocate() }
    let template = loop.template(method, target: target, compression: options.compression)
    let started = connection.start(
      template, metadata: headers.count > 0 ? headers : nil, deadline: options.deadline, observer: self)
    guard let started else { return findConnection() }
    call = started
    wasSent = true
    let waiting = outbox
    outbox = []
    for message in waiting { send(message) }
    if hasFinished { started.finishSending() }
  }

  // MARK: What tasks ask for

  func send(_ message: OutgoingRequest) {
    guard !isEnded else { return }
    guard let call else { return outbox.append(message) }
    loop.counters.add(message.byteCount, to: .bytesSent)
    message.send(on: call, endOfStream: false)
    bytesInCall += message.byteCount
    if call.pendingBytes > StreamFlow.mostBytesOut { call.notifyWhenDrained() } else { countAsSent() }
  }

  func finish() {
    guard !isEnded else { return }
    hasFinished = true
    call?.finishSending()
  }

  func readOn() { call?.resumeReading() }

  private func countAsSent() {
    flow.sent(bytesInCall)
    bytesInCall = 0
  }

  // MARK: End

  override func stop() {
    let call = self.call
    self.call = nil
    outbox = []
    call?.cancel()
  }

  override func ended(_ error: ClientError?) {
    flow.ended(error.map { .failure($0) } ?? .success(()), trailers: error?.trailers ?? trailers)
    whenEnded(error)
  }

  private var trailers = Metadata()
}

extension StreamOperation: ClientCallObserver {
  func receivedHeaders(on call: ClientCallPointer) { flow.received(metadata: Metadata(call.initialMetadata)) }

  func received(_ message: MessageBuffer, on call: ClientCallPointer) {
    loop.counters.add(message.bytes.count, to: .bytesReceived)
    if flow.received(ReceivedMessage(message, returns: loop.returns)) { call.pauseReading() }
  }

  func drained(_ call: ClientCallPointer) { countAsSent() }

  func finished(_ call: ClientCallPointer, _ outcome: GRPCClient.CallOutcome) {
    guard !isEnded else { return }
    self.call = nil
    trailers = outcome.origin == .server ? call.metadataAtEnd : Metadata()
    end(outcome.status.code == .ok ? nil : ClientError(outcome, trailers: trailers))
  }
}

/// A stream's message, end or demand on its way to the loop, in the order of sending.
final class StreamCommand: LoopTask {
  enum Kind {
    case send(OutgoingRequest)
    case finish
    case readOn
  }

  private let kind: Kind
  private let operation: StreamOperation

  init(_ kind: Kind, _ operation: StreamOperation) {
    self.kind = kind
    self.operation = operation
  }

  override func run(on loop: ClientLoop) {
    switch kind {
    case .send(let message): operation.send(message)
    case .finish: operation.finish()
    case .readOn: operation.readOn()
    }
  }
}
