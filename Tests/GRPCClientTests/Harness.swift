import EventLoops
import GRPC
import GRPCClient
import Glibc
import HTTP2
import Inference
import Threads
import Transport

/// A client's event loop on a thread of its own, for a test that stands outside of it and waits.
final class Harness: @unchecked Sendable {  // the client belongs to the loop's thread; the test goes there by `onLoop`
  let loop: EventLoop
  let client: GRPCClientLoop
  let monitor = Monitor()
  private let thread: OwnThread

  init() throws {
    loop = try EventLoop(index: 0)
    client = GRPCClientLoop(on: loop)
    let loop = loop
    thread = try OwnThread(name: "client") { loop.run() }
  }

  deinit {
    loop.stop()
    // The last to let go may be what a call on the loop kept.
    if thread.isCurrent { thread.detach() } else { thread.join() }
  }

  /// Runs `body` on the loop's thread and waits for it.
  @discardableResult
  func onLoop<R>(_ body: @escaping () -> R) -> R {
    let latch = Latch(count: 1)
    nonisolated(unsafe) let body = body
    nonisolated(unsafe) var result: R?
    loop.execute {
      result = body()
      latch.countDown()
    }
    latch.wait()
    guard let result else { preconditionFailure("the latch opens after the result is there") }
    return result
  }

  /// A connection that has begun to connect.
  func connect(
    to address: SocketAddress, _ change: (inout ClientConnectionOptions) -> Void = { _ in }
  ) throws -> ConnectionRecorder {
    var options = ClientConnectionOptions()
    change(&options)
    let recorder = ConnectionRecorder(monitor: monitor)
    let resolved = try ResolvedAddress.resolve(address)[0]
    onLoop { [self] in
      let connection = ClientConnection(to: resolved, options: options, on: client, observer: recorder)
      recorder.connection = connection
      connection.connect()
    }
    return recorder
  }

  /// Starts a call; its recorder is nil where the connection takes none.
  func start(
    _ path: String, on connection: ConnectionRecorder, answer: RequestTemplate.Answer = .one,
    metadata: [(String, String)] = [], timeout: Duration? = nil, keepsPaused: Bool = false
  ) -> CallRecorder? {
    let recorder = CallRecorder(self)
    let isStarted = onLoop { [self] () -> Bool in
      guard let connection = connection.connection else { return false }
      let template = RequestTemplate(path, answer: answer, options: connection.options)
      var block = HeaderBlock()
      defer { block.deallocate() }
      for (name, value) in metadata { block.append(name: name, value: value) }
      let deadline = timeout.map { loop.now.advanced(byNanoseconds: $0.wholeNanoseconds) } ?? .never
      recorder.call = connection.start(template, metadata: block, deadline: deadline, observer: recorder, tag: 7)
      if keepsPaused { recorder.call?.pauseReading() }
      return recorder.call != nil
    }
    return isStarted ? recorder : nil
  }

  /// One whole unary call.
  func call(
    _ path: String, _ message: [UInt8] = [], on connection: ConnectionRecorder, metadata: [(String, String)] = [],
    timeout: Duration? = nil
  ) throws -> CallRecorder {
    guard let call = start(path, on: connection, metadata: metadata, timeout: timeout) else { throw NotStarted() }
    call.send(message, ends: true)
    call.waitForEnd()
    return call
  }

  struct NotStarted: Error {}
}

/// What changes on one thread, and another waits for.
final class Monitor: @unchecked Sendable {  // a lock and a condition
  private let lock = Lock()
  private let condition = Condition()

  deinit {
    lock.deallocate()
    condition.deallocate()
  }

  func change<R>(_ body: () -> R) -> R {
    lock.withLock {
      defer { condition.broadcast() }
      return body()
    }
  }

  /// Gives up after 20 s: what has not come by then never will.
  func wait(until isTrue: () -> Bool) {
    let latest = Instant.now().advanced(byNanoseconds: 20_000_000_000)
    let isThere = lock.withLock { () -> Bool in
      while !isTrue() {
        if Instant.now() >= latest { return false }
        condition.wait(lock, until: latest)
      }
      return true
    }
    precondition(isThere, "what the test waits for did not come in 20 s")
  }
}

/// Writes down what happens to a connection.
final class ConnectionRecorder: ClientConnectionObserver, @unchecked Sendable {  // guarded by the monitor
  let monitor: Monitor
  /// For the loop's thread.
  var connection: ClientConnection?
  private var record = Record()

  struct Record {
    var isReady = false
    var roomCount = 0
    var isDraining = false
    var pongCount = 0
    var closed: CloseReason?
  }

  init(monitor: Monitor) { self.monitor = monitor }

  var now: Record { monitor.change { record } }
  func wait(until isTrue: (Record) -> Bool) { monitor.wait { isTrue(record) } }
  func waitUntilReady() { wait { $0.isReady } }

  func connectionIsReady(_ connection: ClientConnection) { monitor.change { record.isReady = true } }
  func connectionMayStartCalls(_ connection: ClientConnection) { monitor.change { record.roomCount += 1 } }
  func connectionIsDraining(_ connection: ClientConnection) { monitor.change { record.isDraining = true } }
  func connectionAnsweredPing(_ connection: ClientConnection) { monitor.change { record.pongCount += 1 } }
  func connectionClosed(_ connection: ClientConnection, reason: CloseReason) {
    monitor.change { record.closed = reason }
  }
}

/// Writes down what happens to a call.
final class CallRecorder: ClientCallObserver, @unchecked Sendable {  // guarded by the monitor
  let harness: Harness
  /// For the loop's thread.
  var call: ClientCallPointer?
  /// Run on the loop's thread while the call's end is told.
  var whenFinished: () -> Void = {}
  private var record = Record()

  struct Record {
    var messages: [[UInt8]] = []
    var headers: [String: String] = [:]
    var trailers: [String: String] = [:]
    var outcome: CallOutcome?
    var finishedCount = 0
    var drainedCount = 0
    var tag: UInt = 0
  }

  init(_ harness: Harness) { self.harness = harness }

  var now: Record { harness.monitor.change { record } }
  var outcome: CallOutcome? { now.outcome }
  var code: GRPCStatus.Code? { now.outcome?.status.code }
  func wait(until isTrue: (Record) -> Bool) { harness.monitor.wait { isTrue(record) } }
  func waitForEnd() { wait { $0.outcome != nil } }

  func send(_ message: [UInt8], ends: Bool = false) {
    harness.onLoop { [self] in message.withUnsafeBytes { call?.send(copying: $0, endOfStream: ends) } }
  }

  func receivedHeaders(on call: ClientCallPointer) {
    let headers = dictionary(call.initialMetadata)
    harness.monitor.change { record.headers = headers }
  }

  func received(_ message: MessageBuffer, on call: ClientCallPointer) {
    let bytes = Array(message.bytes)
    harness.client.buffers.give(message)
    harness.monitor.change { record.messages.append(bytes) }
  }

  func drained(_ call: ClientCallPointer) { harness.monitor.change { record.drainedCount += 1 } }

  func finished(_ call: ClientCallPointer, _ outcome: CallOutcome) {
    let trailers = dictionary(call.trailers)
    whenFinished()
    harness.monitor.change {
      record.trailers = trailers
      record.outcome = outcome
      record.finishedCount += 1
      record.tag = call.tag
    }
  }
}

func dictionary(_ block: HeaderBlock) -> [String: String] {
  var fields: [String: String] = [:]
  var cursor = 0
  while let field = block.next(&cursor) {
    fields[String(decoding: field.name, as: UTF8.self)] = String(decoding: field.value, as: UTF8.self)
  }
  return fields
}
