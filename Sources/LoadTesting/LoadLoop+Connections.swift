internal import EventLoops
internal import GRPCClient
internal import Inference
internal import Transport

extension LoadLoop {
  func open(_ index: Int, _ client: GRPCClientLoop) {
    let connection = ClientConnection(to: address, options: connectionOptions, on: client, observer: self)
    connections[index] = connection
    state.pointee.connections[index] = .passUnretained(connection)
    connection.connect()
  }

  private func index(of connection: ClientConnection) -> Int? { connections.firstIndex { $0 === connection } }

  private func tellConnected(_ outcome: Connected) {
    guard let tell = whenConnected else { return }
    whenConnected = nil
    tell(outcome)
  }
}

extension LoadLoop: ClientConnectionObserver {
  func connectionIsReady(_ connection: ClientConnection) {
    guard let index = index(of: connection) else { return }
    state.pointee.readyConnections += 1
    state.pointee.permits.giveBack(Int32(index))
    reconnects[index].didConnect()
    if state.pointee.readyConnections == connections.count { tellConnected(.ready) }
  }

  func connectionMayStartCalls(_ connection: ClientConnection) {
    if let index = index(of: connection) { state.pointee.permits.giveBack(Int32(index)) }
  }

  func connectionIsDraining(_ connection: ClientConnection) {
    if let index = index(of: connection) { isNotReady(index) }
  }

  private func isNotReady(_ index: Int) {
    if reconnects[index].isReady { state.pointee.readyConnections -= 1 }
    reconnects[index].isReady = false
  }

  func connectionClosed(_ connection: ClientConnection, reason: CloseReason) {
    guard !isClosing, let index = index(of: connection) else { return }
    isNotReady(index)
    if reconnects[index].wasConnected {
      state.pointee.tally.pointee.connectionsLost += 1
      if failures[-1] == nil { failures[-1] = "a connection was lost: \(reason)" }
    }
    if whenConnected != nil { return tellConnected(.failed("\(reason)")) }
    reconnects[index].schedule()
  }
}

/// Makes a lost connection again, after a wait that doubles up to a second.
final class Reconnect {
  private let index: Int
  private unowned let loop: LoadLoop
  private let timer: UnsafeMutablePointer<TimerNode>
  private var waitNanoseconds: UInt64 = 20_000_000
  /// Whether the present connection takes calls, and whether it ever did.
  var isReady = false
  private(set) var wasConnected = false

  init(_ index: Int, of loop: LoadLoop) {
    self.index = index
    self.loop = loop
    timer = .allocate(capacity: 1)
    timer.initialize(
      to: TimerNode(context: Unmanaged.passUnretained(self).toOpaque()) { context in
        Unmanaged<Reconnect>.fromOpaque(context).takeUnretainedValue().fire()
      })
  }

  deinit {
    timer.deinitialize(count: 1)
    timer.deallocate()
  }

  func didConnect() {
    isReady = true
    wasConnected = true
    waitNanoseconds = 20_000_000
  }

  func schedule() {
    wasConnected = false
    loop.eventLoop.timers.arm(timer, at: Instant.now().advanced(byNanoseconds: waitNanoseconds))
    waitNanoseconds = min(waitNanoseconds * 2, 1_000_000_000)
  }

  func cancel() { loop.eventLoop.timers.disarm(timer) }

  private func fire() {
    if let client = loop.client { loop.open(index, client) }
  }
}
