import EventLoops
import GRPC
import Glibc
import HTTP2
import Inference
import RawClient
import Synchronization
import Threads
import Transport

/// A server in this process on a Unix socket of its own, with methods to call.
///
/// `/t.T/Echo` answers with its message; `/t.T/Park` keeps the call until the test lets it go; `/t.T/Stream` gives each
/// message back, unless the test has it pause; `/t.T/Big` answers each message with as many bytes as its length times 1 Ki.
final class TestServer {
  let server: GRPCServer
  let park = Park()
  let streams = StreamControl()
  var address: SocketAddress { server.addresses[0] }
  private var isStopped = false

  init(
    loopCount: Int = 1, address: SocketAddress? = nil, options: GRPCOptions = GRPCOptions(),
    _ change: (inout ServerLimits) -> Void = { _ in }
  ) throws {
    let path = "/tmp/apus-grpc-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
    var configuration = GRPCServer.Configuration(addresses: [address ?? .unix(path: path)], loopCount: loopCount)
    change(&configuration.limits)
    configuration.options = options
    let (park, streams) = (park, streams)
    server = try GRPCServer(configuration) { loop in
      var table = MethodTable()
      table.add("t.T", "Echo", FunctionMethod { Array($0) })
      table.add("t.T", "Fail", FunctionMethod { bytes throws(GRPCStatus) in
        throw GRPCStatus(.notFound, "no €uro", details: Array(bytes))
      })
      table.add("t.T", "Big", FunctionMethod { [UInt8](repeating: 5, count: $0.count << 10) })
      table.add("t.T", "Park", .unary(park))
      table.add("t.T", "Stream", .stream(streams))
      return table
    }
    try server.start()
  }

  func connect(_ settings: HTTP2Settings = HTTP2Settings()) throws -> TestClient { try TestClient(address, settings: settings) }

  /// Ends everything and returns the bytes that are still counted as held.
  func stop() -> Int {
    guard !isStopped else { return server.memory.usedBytes }
    isStopped = true
    server.drain(grace: .zero)
    park.letGo()
    server.stop()
    return server.memory.usedBytes
  }

  deinit { _ = stop() }
}

/// A number that threads wait for.
final class Counter: @unchecked Sendable {  // guarded by the mutex
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var count = 0

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
    condition.deallocate()
  }

  func add() {
    pthread_mutex_lock(mutex)
    count += 1
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }

  func wait(for wanted: Int) {
    pthread_mutex_lock(mutex)
    while count < wanted { pthread_cond_wait(condition, mutex) }
    pthread_mutex_unlock(mutex)
  }
}

/// Keeps its calls until they are let go.
final class Park: UnaryMethod, @unchecked Sendable {  // calls are guarded; each is answered on its loop
  let arrived = Counter()
  let cancelled = Counter()
  private let calls = Mutex<[Parked]>([])

  private struct Parked: @unchecked Sendable { let call: UnaryCall }  // carried back to its own loop

  func handle(_ call: UnaryCall) {
    let parked = Parked(call: call)
    calls.withLock { $0.append(parked) }
    arrived.add()
  }

  func cancelled(_ call: UnaryCall) { cancelled.add() }

  /// Answers every call that waits, on its loop, and returns when that is done.
  func letGo() {
    let parked = calls.withLock { calls in
      defer { calls = [] }
      return calls
    }
    let latch = Latch(count: parked.count)
    for one in parked {
      one.call.raw.pointee.loop.takeUnretainedValue().eventLoop.execute {
        one.call.reply(Array(one.call.message))
        latch.countDown()
      }
    }
    latch.wait()
  }
}

/// Gives messages back on streams, and lets a test hold them up.
final class StreamControl: StreamMethod, @unchecked Sendable {  // settings before the call; handlers on their loop
  /// The handler pauses after each message.
  let pauses = Atomic<Bool>(false)
  /// The handler finishes the call at the first message.
  let finishesEarly = Atomic<Bool>(false)
  /// Messages are only counted.
  let swallows = Atomic<Bool>(false)
  let received = Counter()
  let cancelled = Counter()
  private let open = Mutex<[Handler]>([])

  func open(_ stream: ServerStream) -> any StreamHandler {
    let handler = Handler(stream, self)
    open.withLock { $0.append(handler) }
    return handler
  }

  /// Resumes the newest stream, on its loop.
  func resume(on loop: EventLoop) {
    let handler = open.withLock { $0.last }
    loop.execute { handler?.stream.resume() }
  }

  final class Handler: StreamHandler, @unchecked Sendable {  // its loop's thread's alone
    let stream: ServerStream
    private unowned let control: StreamControl

    init(_ stream: ServerStream, _ control: StreamControl) {
      self.stream = stream
      self.control = control
    }

    func receive(_ message: MessageBuffer) {
      let bytes = Array(message.bytes)
      stream.recycle(message)
      if control.finishesEarly.load(ordering: .relaxed) {
        return stream.finish(GRPCStatus(.failedPrecondition, "enough"))
      }
      if !control.swallows.load(ordering: .relaxed) { stream.send(bytes) }
      if control.pauses.load(ordering: .relaxed) || stream.isCongested { stream.pause() }
      control.received.add()
    }

    func receiveEnd() { stream.finish() }
    func cancelled() { control.cancelled.add() }
    func drained() { stream.resume() }
  }
}
