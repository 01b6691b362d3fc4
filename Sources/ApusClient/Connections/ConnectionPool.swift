internal import EventLoops
internal import GRPCClient
internal import Inference
internal import Transport

/// One event loop's connections: found, made, made again, and shared out among calls.
///
/// Connections are made when a call needs one, to every address there is. A call goes to one that is ready; it waits
/// while some are on their way, and fails where all rest after failures, unless it waits for a connection.
final class ConnectionPool {
  /// A place for one connection.
  final class Slot {
    let target: Int
    let address: ResolvedAddress
    var health = ConnectionHealth()
    var connection: ClientConnection?

    init(target: Int, address: ResolvedAddress) {
      self.target = target
      self.address = address
    }
  }

  /// What a call is told.
  enum Choice {
    case use(ClientConnection, target: Int)
    case wait
    case fail(ClientError)
  }

  unowned(unsafe) var loop: ClientLoop!
  private let settings: ClientSettings
  private let resolver: NameResolver
  private let grpc: GRPCClientLoop
  private let counters: LoopCounters

  private var slots: [Slot] = []
  /// Those with a connection that takes calls, or will when some have ended.
  private var ready: [Slot] = []
  private var balancer: Balancer
  private var schedule: ResolutionSchedule
  private var isResolving = false
  private var waiting: [Operation] = []
  private var nextWaiting = 0
  private var isServing = false
  /// When a place that rests may be tried again; past if one may be now.
  private var nextTry = Instant(nanoseconds: 0)
  private var lastError: ClientError?
  private var timer: LoopTimer?
  private var isClosed = false

  /// Connections that are made at most, whatever the name service says.
  private static let mostSlots = 256

  init(settings: ClientSettings, resolver: NameResolver, grpc: GRPCClientLoop, counters: LoopCounters) {
    self.settings = settings
    self.resolver = resolver
    self.grpc = grpc
    self.counters = counters
    balancer = Balancer(settings.options.balancing)
    schedule = ResolutionSchedule(
      minimumInterval: settings.options.resolution.minimumInterval, maximumAge: settings.options.resolution.maximumAge)
  }

  // MARK: Calls

  /// Where a call goes now.
  func choose(waitsForConnection: Bool) -> Choice {
    if ready.count < slots.count || slots.isEmpty || schedule.isTooOld(at: grpc.eventLoop.now) { makeConnections() }
    if nextWaiting == waiting.count || isServing {
      let pick = balancer.pick(count: ready.count) { index in
        guard let connection = ready[index].connection, connection.mayStartCall else { return nil }
        return connection.openCalls
      }
      if let pick, let connection = ready[pick].connection { return .use(connection, target: ready[pick].target) }
    }
    if isClosed {
      return .fail(ClientError(.client, .unavailable, "the client is closed", mayHaveRun: false))
    }
    if !ready.isEmpty || isResolving || slots.contains(where: { $0.health.phase == .trying }) { return .wait }
    if waitsForConnection {
      armTimer()
      return .wait
    }
    return .fail(lastError ?? ClientError(.connection, .unavailable, "there is no connection"))
  }

  /// Has an operation wait for `serveWaiting` to take it up, or for the failure of all connections.
  func wait(_ operation: Operation) { waiting.append(operation) }

  /// The operation waits no longer.
  func forget(_ operation: Operation) {
    if let index = waiting[nextWaiting...].firstIndex(where: { $0 === operation }) { waiting.remove(at: index) }
  }

  /// Takes up those that wait, in their order, as far as there is room.
  private func serveWaiting() {
    guard !isServing else { return }
    isServing = true
    defer {
      isServing = false
      waiting.removeFirst(nextWaiting)
      nextWaiting = 0
    }
    while nextWaiting < waiting.count {
      let operation = waiting[nextWaiting]
      switch choose(waitsForConnection: operation.waitsForConnection) {
      case .wait: return failThoseThatDoNotWait()
      case .use(let connection, let target):
        nextWaiting += 1
        operation.start(on: connection, target: target)
      case .fail(let error):
        nextWaiting += 1
        operation.hasNoConnection(error)
      }
    }
  }

  /// Those behind one that waits for a connection need not: with no connection on its way they fail.
  private func failThoseThatDoNotWait() {
    guard waiting[nextWaiting].waitsForConnection, case .fail(let error) = choose(waitsForConnection: false) else {
      return
    }
    let failing = waiting[nextWaiting...].filter { !$0.waitsForConnection }
    waiting = waiting[nextWaiting...].filter(\.waitsForConnection)
    nextWaiting = 0
    for operation in failing { operation.hasNoConnection(error) }
  }

  /// Why there may be none for so long, to follow a sentence that says so.
  var reasonForWaiting: String {
    if let lastError { return ": \(lastError.message)" }
    return ready.isEmpty ? "" : ": the server allows no more calls at once"
  }

  // MARK: Connecting

  /// Looks names up and connects where it is time to.
  private func makeConnections() {
    guard !isClosed else { return }
    let now = grpc.eventLoop.now
    if !isResolving, schedule.mayStart(at: now) { lookUp() }
    guard nextTry <= now else { return }
    nextTry = .never
    for slot in slots where slot.connection == nil {
      if slot.health.mayTry(at: now) { connect(slot, at: now) } else { noteNextTry(of: slot) }
    }
  }

  private func noteNextTry(of slot: Slot) {
    switch slot.health.phase {
    case .idle: nextTry = Instant(nanoseconds: 0)
    case .resting(let until): nextTry = min(nextTry, until)
    case .trying, .ready: break
    }
  }

  private func connect(_ slot: Slot, at now: Instant) {
    slot.health.tried(at: now)
    let connection = ClientConnection(
      to: slot.address, options: settings.targets[slot.target].connection, on: grpc, observer: self)
    slot.connection = connection
    connection.connect()
  }

  private func lookUp() {
    isResolving = true
    let loop = self.loop!
    resolver.resolve(settings.targets.map(\.address)) { found in loop.execute { $0.pool.found(found) } }
  }

  private func found(_ found: [NameResolver.Found]) {
    isResolving = false
    schedule.ended(found: found.contains { if case .success = $0 { true } else { false } })
    guard !isClosed else { return }
    var wanted: [(target: Int, address: ResolvedAddress)] = []
    for (target, result) in found.enumerated() {
      switch result {
      case .success(let addresses):
        for address in addresses where !wanted.contains(where: { $0.address == address }) {
          wanted.append((target, address))
        }
      case .failure(let error):
        lastError = error
        // The name service may be ill: what was found before stays.
        for slot in slots where slot.target == target && !wanted.contains(where: { $0.address == slot.address }) {
          wanted.append((target, slot.address))
        }
      }
    }
    replaceSlots(by: wanted)
    nextTry = Instant(nanoseconds: 0)
    if nextWaiting < waiting.count {
      makeConnections()
      serveWaiting()
    }
  }

  /// Keeps the places whose address is still there, lets the others' calls finish, and adds the new ones.
  private func replaceSlots(by wanted: [(target: Int, address: ResolvedAddress)]) {
    let kept = slots.filter { slot in wanted.contains { $0.target == slot.target && $0.address == slot.address } }
    for slot in slots where !kept.contains(where: { $0 === slot }) {
      let connection = slot.connection
      slot.connection = nil
      removeFromReady(slot)
      connection?.drain()
    }
    slots = kept
    for (target, address) in wanted where !kept.contains(where: { $0.address == address }) {
      for _ in 0..<settings.options.connectionsPerAddress where slots.count < Self.mostSlots {
        slots.append(Slot(target: target, address: address))
      }
    }
  }

  private func removeFromReady(_ slot: Slot) {
    if let index = ready.firstIndex(where: { $0 === slot }) {
      ready.remove(at: index)
      counters.add(-1, to: .openConnections)
    }
  }

  /// Tries again for those that wait for a connection where all places rest.
  private func armTimer() {
    if timer == nil { timer = LoopTimer(loop: grpc.eventLoop) { [unowned self] in timeToTry() } }
    // A name that was not found is asked for again like an address that was not reached.
    let again =
      slots.isEmpty
      ? grpc.eventLoop.now.advanced(byNanoseconds: settings.options.backoff.initial.wholeNanoseconds) : nextTry
    timer?.arm(at: max(again, grpc.eventLoop.now))
  }

  private func timeToTry() {
    makeConnections()
    serveWaiting()
  }

  // MARK: Closing

  func close() {
    isClosed = true
    timer?.disarm()
    for slot in slots {
      let connection = slot.connection
      slot.connection = nil
      connection?.close()
    }
    for _ in ready { counters.add(-1, to: .openConnections) }
    slots = []
    ready = []
    serveWaiting()
  }
}

extension ConnectionPool: ClientConnectionObserver {
  private func slot(of connection: ClientConnection) -> Slot? { slots.first { $0.connection === connection } }

  func connectionIsReady(_ connection: ClientConnection) {
    guard let slot = slot(of: connection) else { return }
    slot.health.becameReady()
    ready.append(slot)
    counters.add(1, to: .openConnections)
    serveWaiting()
  }

  func connectionMayStartCalls(_ connection: ClientConnection) { serveWaiting() }

  /// Its calls go on; its place is for another.
  func connectionIsDraining(_ connection: ClientConnection) {
    guard let slot = slot(of: connection) else { return }
    slot.connection = nil
    removeFromReady(slot)
    slot.health.drained(at: grpc.eventLoop.now, settings.options.backoff, using: &loop.random)
    schedule.want()
    noteNextTry(of: slot)
    if nextWaiting < waiting.count { serveWaiting() }
  }

  func connectionClosed(_ connection: ClientConnection, reason: CloseReason) {
    guard let slot = slot(of: connection) else { return }
    let wasReady = slot.health.phase == .ready
    slot.connection = nil
    removeFromReady(slot)
    let now = grpc.eventLoop.now
    if wasReady {
      slot.health.lost(at: now, settings.options.backoff, using: &loop.random)
    } else {
      slot.health.failed(at: now, settings.options.backoff, using: &loop.random)
      counters.add(1, to: .failedConnections)
    }
    let name = settings.targets[slot.target].name
    lastError = wasReady ? ClientError(lost: reason, to: name) : ClientError(connecting: reason, to: name)
    schedule.want()
    noteNextTry(of: slot)
    serveWaiting()
  }
}
