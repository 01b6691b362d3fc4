import GRPC
import GRPCClient
import HTTP2
import Inference
import Testing
import Transport

@Suite(.timeLimit(.minutes(1))) struct ClientStreamingCallTests {
  @Test func `messages go both ways, in order, until both sides have ended`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    let call = try #require(harness.start("/t.T/Stream", on: connection, answer: .stream))
    let messages = (0..<40).map { [UInt8](repeating: UInt8($0), count: $0 * 200) }
    for message in messages.dropLast(20) { call.send(message) }
    call.wait { $0.messages.count == 20 }
    // Many in one turn: each has its own prefix.
    harness.onLoop {
      for message in messages.suffix(20) { message.withUnsafeBytes { call.call?.send(copying: $0, endOfStream: false) } }
      call.call?.finishSending()
    }
    call.waitForEnd()
    #expect(call.now.messages == messages)
    #expect(call.code == .ok)
  }

  @Test func `a message of several segments is sent by reference, and its owners are let go`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    let call = try #require(harness.start("/t.T/Stream", on: connection, answer: .stream))
    weak var kept: OwnedBytes?
    harness.onLoop {
      let owner = OwnedBytes([UInt8](repeating: 3, count: 10_000))
      kept = owner
      withUnsafeTemporaryAllocation(of: Segment.self, capacity: 2) { segments in
        segments.initializeElement(at: 0, to: Segment(bytes: owner.bytes, owner: .passRetained(owner)))
        segments.initializeElement(at: 1, to: Segment(bytes: owner.bytes, owner: .passRetained(owner)))
        call.call?.send(segments, endOfStream: true)
      }
    }
    call.waitForEnd()
    #expect(call.now.messages == [[UInt8](repeating: 3, count: 20_000)])
    #expect(kept == nil)
  }

  @Test func `calls that nobody reads leave the connection's window to the others`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address) {
      $0.http2.streamWindowBytes = 65535
      $0.http2.connectionWindowBytes = 65535
    }
    connection.waitUntilReady()
    let message = [UInt8](repeating: 1, count: 200_000)
    let unread = try #require(harness.start("/t.T/Stream", on: connection, answer: .stream, keepsPaused: true))
    unread.send(message, ends: true)
    let call = try harness.call("/t.T/Echo", message, on: connection)
    #expect(call.now.messages == [message])
    harness.onLoop { unread.call?.resumeReading() }
    unread.waitForEnd()
    #expect(unread.now.messages == [message])
  }

  @Test func `a paused call takes a window's worth and no more, until it is resumed`() throws {
    let server = try RawServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address) { $0.http2.streamWindowBytes = 65535 }
    try server.greet()
    connection.waitUntilReady()
    let call = try #require(harness.start("/t.T/M", on: connection, answer: .stream, keepsPaused: true))
    call.send([], ends: true)
    try server.waitForRequests(1)
    // 32 messages of 32 KiB, half a MiB more than the window lets out.
    let message = framed([UInt8](repeating: 1, count: 32763))
    try server.answer(0, body: Array((0..<32).map { _ in message }.joined()))
    // A PING's answer comes after all that the client had to say to what was sent.
    server.session.ping()
    try server.pump { server.streams[0].pointee.pendingBytes == 32 * 32768 - 65535 }
    #expect(call.now.messages.isEmpty)
    harness.onLoop { call.call?.resumeReading() }
    try server.pump { server.closeCodes[0] != nil }
    call.waitForEnd()
    #expect(call.code == .ok)
    #expect(call.now.messages.count == 32)
  }

  @Test func `an answer that ended while paused waits to be read, even without its connection`() throws {
    let server = try RawServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    try server.greet()
    connection.waitUntilReady()
    let call = try #require(harness.start("/t.T/M", on: connection, answer: .stream, keepsPaused: true))
    call.send([], ends: true)
    try server.waitForRequests(1)
    try server.answer(0, body: framed([1]) + framed([2]), trailers: [("grpc-status", "3"), ("x", "y")])
    try server.pump { server.closeCodes[0] != nil }
    server.hangUp()
    connection.wait { $0.closed != nil }
    #expect(call.outcome == nil)
    #expect(call.now.messages.isEmpty)
    harness.onLoop { call.call?.resumeReading() }
    #expect(call.now.messages == [[1], [2]])
    #expect(call.code == .invalidArgument)
    #expect(call.now.trailers["x"] == "y")
  }

  @Test func `a server that reads slowly holds the sender back, and drained says when it has caught up`() throws {
    var settings = HTTP2Settings()
    settings.streamWindowBytes = 65535
    let server = try RawServer(settings)
    server.consumes = false
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    try server.greet()
    connection.waitUntilReady()
    let call = try #require(harness.start("/t.T/M", on: connection, answer: .stream))
    call.send([UInt8](repeating: 1, count: 1 << 20))
    try server.pump { server.bodyBytes.first == 65535 }
    harness.onLoop {
      #expect(call.call?.pendingBytes == (1 << 20) + 5 - 65535)
      call.call?.notifyWhenDrained()
    }
    #expect(call.now.drainedCount == 0)
    server.consumes = true
    server.session.consume(65535, of: server.streams[0])
    try server.pump { server.bodyBytes.first == (1 << 20) + 5 }
    call.wait { $0.drainedCount == 1 }
    harness.onLoop { #expect(call.call?.pendingBytes == 0) }
  }

  @Test func `a paused call that is cancelled gives the connection its window back`() throws {
    let server = try RawServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address) {
      $0.http2.streamWindowBytes = 65535
      $0.http2.connectionWindowBytes = 65535
    }
    try server.greet()
    connection.waitUntilReady()
    let message = framed([UInt8](repeating: 1, count: 100_000))
    let paused = try #require(harness.start("/t.T/M", on: connection, keepsPaused: true))
    paused.send([], ends: true)
    try server.waitForRequests(1)
    try server.answer(0, body: message)
    try server.pump { server.streams[0].pointee.pendingBytes == message.count - 65535 }
    harness.onLoop { paused.call?.cancel() }
    try server.pump { server.closeCodes[0] != nil }
    let call = try #require(harness.start("/t.T/M", on: connection))
    call.send([], ends: true)
    try server.waitForRequests(2)
    try server.answer(1, body: message)
    try server.pump { server.closeCodes[1] != nil }
    call.waitForEnd()
    #expect(call.code == .ok)
    #expect(call.now.messages.first?.count == 100_000)
  }
}
