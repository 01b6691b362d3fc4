internal import Arrivals
internal import EventLoops
internal import GRPC
internal import GRPCClient
internal import HTTP2
internal import Inference
internal import Transport

/// One thread's part of a load test: its connections and the calls on them.
///
/// Calls are started at the end of each turn of the event loop, before its output is written, so that all that are due
/// leave in one write a connection. In the steady state nothing is allocated: messages were encoded before the run and are
/// sent from where they lie, a call's tag is its slot in a table, and received buffers go back to their pool.
final class LoadLoop {
  /// What a call is for; found again by its tag.
  struct Slot {
    var call: ClientCallPointer?
    var due: UInt64 = 0
    var message = 0
    var connection: Int32 = 0
    var isChecked = false
  }

  /// Behind a pointer, because Swift checks each access to a class's own variables for overlaps.
  struct State {
    var pace = Pace()
    var random: SeededRandom
    var permits: StreamPermits
    /// Slots that no call has; so many are free.
    let freeSlots: UnsafeMutablePointer<Int32>
    var freeCount: Int
    /// Whether calls are due that found no stream.
    var isBacklogged = false
    var untilCheck = 100
    var usedCPU: UInt64 = 0
    var readyConnections = 0
    var isOpenLoop = false
    /// Swapped once a window.
    var tally: UnsafeMutablePointer<Tally>
    /// Those of the loop's own `connections` and `templates`, and its pool, without reference counting.
    let connections: UnsafeMutablePointer<Unmanaged<ClientConnection>?>
    let templates: UnsafeMutablePointer<Unmanaged<RequestTemplate>?>
    var buffers: Unmanaged<MessageBufferPool>?
  }

  /// How it stands with the first attempt to connect.
  enum Connected: Sendable {
    case ready
    case failed(String)
  }

  let workload: Workload
  let options: LoadOptions
  let part: (index: Int, count: Int)
  let eventLoop: EventLoop
  let address: ResolvedAddress
  let connectionOptions: ClientConnectionOptions
  let state: UnsafeMutablePointer<State>
  let slots: UnsafeMutablePointer<Slot>
  let slotCount: Int
  /// Of each target.
  var templates: [RequestTemplate] = []
  var connections: [ClientConnection?]
  var reconnects: [Reconnect] = []
  private(set) var client: GRPCClientLoop?
  private(set) var timer: SendTimer?

  /// Texts for people, one of each kind.
  var failures: [Int: String] = [:]
  var mismatches: [String] = []

  var whenConnected: (@Sendable (Connected) -> Void)?
  var whenIdle: (@Sendable () -> Void)?
  private(set) var isClosing = false

  /// - Parameter connections: Of this thread alone.
  init(
    _ workload: Workload, _ options: LoadOptions, part: (index: Int, count: Int), connections: Int,
    to address: ResolvedAddress, _ connectionOptions: ClientConnectionOptions
  ) throws(SystemError) {
    self.workload = workload
    self.options = options
    self.part = part
    self.address = address
    self.connectionOptions = connectionOptions
    eventLoop = try EventLoop(index: part.index)
    self.connections = Array(repeating: nil, count: connections)
    slotCount = connections * options.streams
    slots = .allocate(capacity: slotCount)
    slots.initialize(repeating: Slot(), count: slotCount)
    let free = UnsafeMutablePointer<Int32>.allocate(capacity: slotCount)
    for index in 0..<slotCount { free[index] = Int32(slotCount - 1 - index) }
    state = .allocate(capacity: 1)
    let connectionTable = UnsafeMutablePointer<Unmanaged<ClientConnection>?>.allocate(capacity: connections)
    connectionTable.initialize(repeating: nil, count: connections)
    let templateTable = UnsafeMutablePointer<Unmanaged<RequestTemplate>?>.allocate(capacity: workload.targets.count)
    templateTable.initialize(repeating: nil, count: workload.targets.count)
    let tally = UnsafeMutablePointer<Tally>.allocate(capacity: 1)
    tally.initialize(to: Tally(targetCount: workload.targets.count))
    state.initialize(
      to: State(
        random: SeededRandom(seed: options.seed &* 7919 &+ UInt64(part.index)),
        permits: StreamPermits(connections: connections, each: options.streams), freeSlots: free,
        freeCount: slotCount, tally: tally, connections: connectionTable, templates: templateTable))
  }

  deinit {
    state.pointee.permits.deallocate()
    state.pointee.freeSlots.deallocate()
    state.pointee.tally.deinitialize(count: 1)
    state.pointee.tally.deallocate()
    state.pointee.connections.deallocate()
    state.pointee.templates.deallocate()
    state.deinitialize(count: 1)
    state.deallocate()
    slots.deallocate()
  }

  // MARK: Life

  /// Runs the event loop until `close`. The calling thread becomes its thread.
  func run() {
    // In this order: calls that a turn starts leave with its output.
    eventLoop.atEndOfTurn { [unowned self] in pump() }
    let client = GRPCClientLoop(on: eventLoop)
    self.client = client
    state.pointee.buffers = .passUnretained(client.buffers)
    timer = try? SendTimer(on: eventLoop)
    eventLoop.run()
    self.client = nil
  }

  /// Opens the connections; `whenConnected` hears once, when all are ready or one has failed.
  func connect(_ whenConnected: @escaping @Sendable (Connected) -> Void) {
    guard let client else { return whenConnected(.failed("the event loop is not running. This is a bug.")) }
    guard timer != nil else { return whenConnected(.failed("no descriptor for a timer")) }
    var metadata = HeaderBlock()
    defer { metadata.deallocate() }
    for field in options.metadata { metadata.append(name: field.name, value: field.value) }
    templates = workload.targets.map {
      RequestTemplate($0.method, answer: .one, options: connectionOptions, metadata: metadata)
    }
    for index in templates.indices { state.pointee.templates[index] = .passUnretained(templates[index]) }
    self.whenConnected = whenConnected
    reconnects = connections.indices.map { Reconnect($0, of: self) }
    for index in connections.indices { open(index, client) }
  }

  /// Gives up what is open and ends the thread.
  func close() {
    isClosing = true
    state.pointee.pace.stop()
    for reconnect in reconnects { reconnect.cancel() }
    for connection in connections { connection?.close() }
    eventLoop.stop()
  }

  // MARK: Load

  /// Begins a step. `begin` is an instant of the monotonic clock, in nanoseconds.
  func begin(_ step: LoadStep, _ trace: ArrivalTrace?, at begin: UInt64) {
    state.pointee.isOpenLoop = step.isOpenLoop
    state.pointee.isBacklogged = false
    switch step {
    case .concurrency(let count):
      state.pointee.pace.keepInFlight(count / part.count + (part.index < count % part.count ? 1 : 0))
    case .rate(let rate, let process):
      let schedule = ArrivalSchedule(process, rate: rate, part: part, seed: options.seed)
      state.pointee.pace.follow(schedule, from: begin)
    case .trace:
      guard let trace else { return state.pointee.pace.stop() }
      state.pointee.pace.follow(ArrivalSchedule(trace, part: part), from: begin)
    }
  }

  /// Starts only what is due before `end`; `whenIdle` hears once, when every call has finished.
  func finish(at end: UInt64, _ whenIdle: @escaping @Sendable () -> Void) {
    state.pointee.pace.finish(at: end)
    self.whenIdle = whenIdle
    tellIfIdle()
  }

  /// Ends the calls that are open, and gives up those that are due. All count as cancelled.
  func cancelCalls() {
    let now = Instant.now().nanoseconds
    while case .start = state.pointee.pace.decide(at: now), state.pointee.isOpenLoop {
      state.pointee.pace.pass()
      state.pointee.tally.pointee.notSent += 1
      state.pointee.tally.pointee.statuses[GRPCStatus.Code.cancelled.rawValue] += 1
    }
    for index in 0..<slotCount { slots[index].call?.cancel() }
    tellIfIdle()
  }

  /// Counts on in another tally, and returns the one that was counted in.
  func swap(_ other: UnsafeMutablePointer<Tally>) -> UnsafeMutablePointer<Tally> {
    let counted = state.pointee.tally
    state.pointee.tally = other
    let used = ProcessUsage.threadNanoseconds()
    counted.pointee.cpuNanoseconds = used &- state.pointee.usedCPU
    state.pointee.usedCPU = used
    return counted
  }

  func tellIfIdle() {
    guard state.pointee.pace.inFlight == 0, let tell = whenIdle,
      state.pointee.pace.decide(at: 0) == .finished
    else { return }
    whenIdle = nil
    tell()
  }
}
