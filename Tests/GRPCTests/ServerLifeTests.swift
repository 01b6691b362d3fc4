import EventLoops
import GRPC
import HTTP2
import RawClient
import Testing
import Threads
import Transport

/// Runs `drain` on a thread of its own, as it blocks.
private func draining(_ server: TestServer, grace: Duration) throws -> OwnThread {
  let box = Box(server.server)
  return try OwnThread(name: "test") { box.value.drain(grace: grace) }
}

private final class Box<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}

@Test func `a drain lets the call in hand finish and takes no further one`() throws {
  let server = try TestServer()
  let client = try server.connect()
  let id = try client.open("/t.T/Park")
  try client.send(framed([8]), on: id, ends: true)
  server.park.arrived.wait(for: 1)
  let thread = try draining(server, grace: .seconds(100))
  try client.wait { client.goneAway.count == 2 }
  #expect(throws: TestClient.Failure.self) { try client.open("/t.T/Echo") }
  server.park.letGo()
  #expect(try client.finish(id).messages == [[8]])
  thread.join()
  #expect(throws: (any Error).self) { try server.connect() }
  #expect(server.stop() == 0)
}

@Test func `a drain ends with its grace under calls that don't`() throws {
  let server = try TestServer()
  let client = try server.connect()
  let id = try client.open("/t.T/Park")
  try client.send(framed([8]), on: id, ends: true)
  server.park.arrived.wait(for: 1)
  server.server.drain(grace: .milliseconds(1))
  server.park.cancelled.wait(for: 1)
  #expect(server.stop() == 0)
}

/// Those that never said anything close at once, and their loop must not report twice that it is empty: then the drain
/// would not wait for the other loops.
@Test func `a drain waits for every loop, also where connections are silent`() throws {
  let server = try TestServer(loopCount: 3)
  var silent: [TestClient] = []
  var speaking: [TestClient] = []
  for _ in 0..<8 {
    silent.append(try server.connect())
    let client = try server.connect()
    _ = try client.call("/t.T/Echo")
    speaking.append(client)
  }
  let client = speaking[0]
  let id = try client.open("/t.T/Park")
  try client.send(framed([8]), on: id, ends: true)
  server.park.arrived.wait(for: 1)
  let finished = Counter()
  let box = Box(server.server)
  let thread = try OwnThread(name: "test") {
    box.value.drain(grace: .seconds(100))
    finished.add()
  }
  for other in speaking.dropFirst() { #expect(throws: TestClient.Failure.self) { try other.wait { false } } }
  try client.wait { client.goneAway.count == 2 }
  server.park.letGo()
  #expect(try client.finish(id).status == 0)
  finished.wait(for: 1)
  thread.join()
  #expect(silent.count == 8)
}

@Test func `pings without calls end the connection, with calls they don't`() throws {
  let server = try TestServer()
  let idle = try server.connect()
  for _ in 0..<4 {
    idle.session.ping()
    try? idle.flush()
  }
  #expect(throws: (any Error).self) { try idle.wait { false } }
  #expect(idle.goneAway == [HTTP2ErrorCode.enhanceYourCalm.rawValue])

  let busy = try server.connect()
  for _ in 0..<20 {
    busy.session.ping()
    #expect(try busy.call("/t.T/Echo", [[1]]).status == 0)
  }
  #expect(busy.goneAway == [])
}

/// 3 MB leave their stream at once, which is closed with that, and then wait for the socket.
@Test func `an answer that nobody reads is counted until it is gone, though its call is over`() throws {
  let server = try TestServer()
  let other = try server.connect()
  do {
    let client = try server.connect()
    try client.greet()
    let id = try client.open("/t.T/Big")
    try client.send(framed([UInt8](repeating: 0, count: 3 << 10)), on: id, ends: true)
    // The loop has handled the call before these, and has tried to send its answer before the second.
    for _ in 0..<2 { try other.greet() }
    #expect(server.server.memory.usedBytes > 2 << 20)
  }
  while server.server.memory.usedBytes > 1 << 20 { try other.greet() }
  #expect(server.stop() == 0)
}

@Test func `a keepalive that is answered keeps an idle connection, and an idle timeout ends it`() throws {
  let server = try TestServer {
    $0.handshakeTimeout = .milliseconds(5)
    $0.keepaliveTime = .milliseconds(5)
    $0.idleTimeout = .milliseconds(60)
  }
  let client = try server.connect()
  _ = try client.call("/t.T/Echo")
  #expect(throws: TestClient.Failure.self) { try client.wait { false } }
  #expect(client.goneAway.last == HTTP2ErrorCode.noError.rawValue)
}

@Test func `a thousand calls on many connections leave nothing behind`() throws {
  let server = try TestServer(loopCount: 2)
  let address = server.address
  let good = Counter()
  let threads = try (0..<4).map { _ in
    try OwnThread(name: "test") {
      guard let client = try? TestClient(address) else { return }
      for round in 0..<250 {
        let message = [UInt8](repeating: UInt8(round), count: round * 40)
        if (try? client.call("/t.T/Echo", [message]).messages) == [message] { good.add() }
      }
    }
  }
  for thread in threads { thread.join() }
  good.wait(for: 1000)
  #expect(server.stop() == 0)
}
