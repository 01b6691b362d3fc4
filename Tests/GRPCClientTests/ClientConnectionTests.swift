import EventLoops
import GRPC
import GRPCClient
import Glibc
import HTTP2
import Inference
import Testing
import Threads
import Transport

@Suite(.timeLimit(.minutes(1))) struct ClientConnectionTests {
  @Test func `where nothing listens, the connection closes with the system's reason`() throws {
    let harness = try Harness()
    for address in [SocketAddress.unix(path: "/tmp/apus-nobody-\(getpid())"), .tcp(host: "127.0.0.1", port: 1)] {
      let connection = try harness.connect(to: address)
      connection.wait { $0.closed != nil }
      guard case .system(let error) = connection.now.closed else {
        Issue.record("closed for another reason: \(String(describing: connection.now.closed))")
        return
      }
      #expect(error.number == ENOENT || error.number == ECONNREFUSED)
      #expect(harness.start("/t.T/Echo", on: connection) == nil)
    }
  }

  @Test func `a server that says nothing is given up after the time for connecting`() throws {
    let server = try RawServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address) { $0.connectTimeout = .milliseconds(50) }
    connection.wait { $0.closed != nil }
    guard case .connectTimeout = connection.now.closed else {
      Issue.record("closed for another reason: \(String(describing: connection.now.closed))")
      return
    }
  }

  @Test func `a server that speaks HTTP/1 is told apart`() throws {
    let server = try RawServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    try server.accept()
    server.sendRaw(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
    connection.wait { $0.closed != nil }
    guard case .notHTTP2 = connection.now.closed else {
      Issue.record("closed for another reason: \(String(describing: connection.now.closed))")
      return
    }
  }

  @Test func `a connection over TCP works and knows its address`() throws {
    let server = try TestServer { $0.addresses = [.tcp(host: "127.0.0.1", port: 0)] }
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    #expect(try harness.call("/t.T/Echo", [1], on: connection).code == .ok)
    harness.onLoop { #expect(connection.connection?.address.description == server.address.description) }
  }

  @Test func `calls stop at the server's limit, and the observer hears when there is room`() throws {
    let server = try TestServer { $0.limits.http2.maxConcurrentStreams = 2 }
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    harness.onLoop { #expect(connection.connection?.peerMaxConcurrentStreams == 2) }
    let calls = try (0..<2).map { _ in try #require(harness.start("/t.T/Park", on: connection)) }
    #expect(harness.start("/t.T/Park", on: connection) == nil)
    harness.onLoop { #expect(connection.connection?.mayStartCall == false) }
    for call in calls { call.send([3], ends: true) }
    server.park.waitForArrivals(2)
    #expect(connection.now.roomCount == 0)
    server.park.letGo(1)
    connection.wait { $0.roomCount == 1 }
    #expect(harness.start("/t.T/Park", on: connection) != nil)
    #expect(harness.start("/t.T/Park", on: connection) == nil)
  }

  @Test func `a server that drains finishes the calls in hand and takes no others`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    let call = try #require(harness.start("/t.T/Park", on: connection))
    call.send([3], ends: true)
    server.park.waitForArrivals(1)
    let drained = Monitor()
    nonisolated(unsafe) var isDrained = false
    nonisolated(unsafe) let draining = server.server
    let thread = try OwnThread(name: "drain") {
      draining.drain(grace: .seconds(10))
      drained.change { isDrained = true }
    }
    connection.wait { $0.isDraining }
    #expect(harness.start("/t.T/Echo", on: connection) == nil)
    server.park.letGo()
    call.waitForEnd()
    #expect(call.code == .ok)
    connection.wait { $0.closed != nil }
    drained.wait { isDrained }
    thread.join()
  }

  @Test func `draining lets calls finish, and then closes`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    let call = try #require(harness.start("/t.T/Park", on: connection))
    call.send([3], ends: true)
    server.park.waitForArrivals(1)
    harness.onLoop { connection.connection?.drain() }
    #expect(harness.start("/t.T/Echo", on: connection) == nil)
    #expect(connection.now.closed == nil)
    server.park.letGo()
    call.waitForEnd()
    #expect(call.code == .ok)
    connection.wait { $0.closed != nil }
  }

  @Test func `closing ends calls before the connection`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    let call = try #require(harness.start("/t.T/Park", on: connection))
    call.send([3], ends: true)
    server.park.waitForArrivals(1)
    harness.onLoop {
      connection.connection?.close()
      #expect(call.outcome?.origin == .connection)
      guard case .local = connection.now.closed else {
        Issue.record("closed for another reason: \(String(describing: connection.now.closed))")
        return
      }
    }
    server.park.waitForCancelled(1)
  }

  @Test func `a connection may be closed by an observer in the middle of its events`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    let closer = Closer(connection)
    harness.onLoop {
      guard let connection = connection.connection else { return }
      let template = RequestTemplate("/t.T/Echo", answer: .one, options: connection.options)
      for _ in 0..<50 {
        let call = connection.start(template, observer: closer)
        call?.send(copying: UnsafeRawBufferPointer(start: nil, count: 0), endOfStream: true)
      }
    }
    connection.wait { $0.closed != nil }
    harness.onLoop {
      #expect(closer.finishedCount == 50)
      #expect(connection.connection?.openCalls == 0)
    }
  }

  /// Closes the connection at the first message.
  final class Closer: ClientCallObserver {
    let connection: ConnectionRecorder
    var finishedCount = 0

    init(_ connection: ConnectionRecorder) { self.connection = connection }

    func received(_ message: MessageBuffer, on call: ClientCallPointer) {
      connection.connection?.loop.buffers.give(message)
      connection.connection?.close()
    }

    func finished(_ call: ClientCallPointer, _ outcome: CallOutcome) { finishedCount += 1 }
  }

  @Test func `a ping is answered`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    harness.onLoop { connection.connection?.ping() }
    connection.wait { $0.pongCount == 1 }
    #expect(try harness.call("/t.T/Echo", [1], on: connection).code == .ok)
  }

  @Test func `ten thousand calls use one connection and few calls' memory`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    let runner = Runner(harness, connection, total: 10_000)
    harness.onLoop { for _ in 0..<64 { runner.next() } }
    harness.monitor.wait { runner.finishedCount == 10_000 }
    #expect(runner.failedCount == 0)
  }

  /// Starts the next call when one has finished.
  final class Runner: ClientCallObserver, @unchecked Sendable {  // counts are guarded by the monitor
    let harness: Harness
    let connection: ClientConnection
    let template: RequestTemplate
    var left: Int
    var finishedCount = 0
    var failedCount = 0

    init(_ harness: Harness, _ connection: ConnectionRecorder, total: Int) {
      self.harness = harness
      self.connection = connection.connection!
      template = RequestTemplate("/t.T/Echo", answer: .one, options: self.connection.options)
      left = total
    }

    func next() {
      guard left > 0 else { return }
      left -= 1
      let call = connection.start(template, deadline: harness.loop.now.advanced(byNanoseconds: 30_000_000_000), observer: self)
      withUnsafeBytes(of: UInt64(left)) { call?.send(copying: $0, endOfStream: true) }
    }

    func received(_ message: MessageBuffer, on call: ClientCallPointer) { harness.client.buffers.give(message) }

    func finished(_ call: ClientCallPointer, _ outcome: CallOutcome) {
      harness.monitor.change {
        finishedCount += 1
        if outcome.status.code != .ok { failedCount += 1 }
      }
      next()
    }
  }
}
