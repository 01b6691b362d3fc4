import GRPC
import HTTP2
import RawClient
import Synchronization
import Testing
import Transport

@Test func `messages of a stream are answered in order, and its end with status 0`() throws {
  let server = try TestServer()
  let messages = (0..<500).map { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: $0 % 50) }
  let reply = try server.connect().call("/t.T/Stream", messages)
  #expect(reply.messages == messages && reply.status == 0)
  #expect(server.stop() == 0)
}

@Test func `an answer may come before the client has sent all`() throws {
  let server = try TestServer()
  let client = try server.connect()
  let id = try client.open("/t.T/Stream")
  for round in 1...20 {
    try client.send(framed([UInt8(round)]), on: id)
    try client.wait { client.replies[id]?.messages.count == round }
  }
  try client.send([], on: id, ends: true)
  #expect(try client.finish(id).status == 0)
}

/// The client collects nothing, so the handler is congested at once: it pauses, goes on when it has drained, and what
/// waited meanwhile is neither lost nor reordered.
@Test func `a congested stream goes on when the client collects`() throws {
  let server = try TestServer()
  var settings = HTTP2Settings()
  settings.streamWindowBytes = 100_000
  let client = try server.connect(settings)
  let messages = (0..<12).map { [UInt8](repeating: UInt8($0), count: 500_000) }
  #expect(try client.call("/t.T/Stream", messages).messages == messages)
  #expect(server.stop() == 0)
}

/// A handler that takes one message at a time, each after the test said so.
@Test func `a paused stream delivers nothing until it resumes, then in order`() throws {
  let server = try TestServer()
  server.streams.pauses.store(true, ordering: .relaxed)
  let client = try server.connect()
  let id = try client.open("/t.T/Stream")
  try client.send((0..<10).flatMap { framed([UInt8($0)]) }, on: id, ends: true)
  let loop = server.server.loop(0)
  for round in 1...10 {
    server.streams.received.wait(for: round)
    try client.wait { client.replies[id]?.messages.count == round }
    #expect(client.replies[id]?.closeCode == nil)
    server.streams.resume(on: loop)
  }
  #expect(try client.finish(id).messages == (0..<10).map { [UInt8($0)] })
  #expect(server.stop() == 0)
}

/// The client may be one window ahead of the handler, however often that takes one more message.
@Test func `a paused stream holds the client at its window`() throws {
  let server = try TestServer { $0.http2.streamWindowBytes = 65_535 }
  server.streams.pauses.store(true, ordering: .relaxed)
  server.streams.swallows.store(true, ordering: .relaxed)
  let client = try server.connect()
  let id = try client.open("/t.T/Stream")
  try client.send((0..<1000).flatMap { _ in framed([UInt8](repeating: 1, count: 995)) }, on: id)
  let loop = server.server.loop(0)
  for round in 1...20 {
    server.streams.received.wait(for: round)
    server.streams.resume(on: loop)
  }
  server.streams.received.wait(for: 21)
  _ = try client.call("/t.T/Echo")  // what the server sent is here
  #expect(server.server.memory.usedBytes <= 70 * 2048)
}

/// Ten windows' worth of paused streams are reset; the connection must be as open as before.
@Test func `a stream that is reset while paused gives the connection its window back`() throws {
  let server = try TestServer {
    $0.http2.streamWindowBytes = 100_000
    $0.http2.connectionWindowBytes = 100_000
  }
  server.streams.pauses.store(true, ordering: .relaxed)
  let client = try server.connect()
  _ = try client.call("/t.T/Echo")  // the server's settings are here
  for round in 1...10 {
    let id = try client.open("/t.T/Stream")
    try client.send(framed([]) + framed([UInt8](repeating: 1, count: 50_000)), on: id)
    server.streams.received.wait(for: round)
    _ = try client.call("/t.T/Echo")  // and our bytes are there
    try client.reset(id)
    server.streams.cancelled.wait(for: round)
  }
  let message = [UInt8](repeating: 1, count: 400_000)
  #expect(try client.call("/t.T/Echo", [message]).messages == [message])
  #expect(server.stop() == 0)
}

/// 5 bytes on the wire, a block of 512 in memory.
@Test func `empty messages that wait count as what they take`() throws {
  let server = try TestServer { $0.memoryBytes = 1 << 20 }
  server.streams.pauses.store(true, ordering: .relaxed)
  let client = try server.connect()
  let id = try client.open("/t.T/Stream")
  try client.send((0..<10_000).flatMap { _ in framed([]) }, on: id)
  let reply = try client.finish(id)
  #expect(reply.status == 8)
  #expect(server.stop() == 0)
}

@Test func `compressed messages are let go with their stream still open`() throws {
  let server = try TestServer { $0.memoryBytes = 100_000 }
  server.streams.swallows.store(true, ordering: .relaxed)
  let client = try server.connect()
  let packed = [UInt8](repeating: 0, count: 1000).withUnsafeBytes { MessageEncoding.gzip.compress([$0]) ?? [] }
  let id = try client.open("/t.T/Stream", [("grpc-encoding", "gzip")])
  for _ in 0..<20 { try client.send((0..<50).flatMap { _ in framed(packed, flag: 1) }, on: id) }
  server.streams.received.wait(for: 1000)
  try client.send([], on: id, ends: true)
  #expect(try client.finish(id).status == 0)
  #expect(server.stop() == 0)
}

@Test func `a handler that has enough ends the call while the client still uploads`() throws {
  let server = try TestServer()
  server.streams.finishesEarly.store(true, ordering: .relaxed)
  let client = try server.connect()
  let id = try client.open("/t.T/Stream")
  try client.send((0..<100).flatMap { _ in framed([UInt8](repeating: 1, count: 10_000)) }, on: id)
  let reply = try client.finish(id)
  #expect(reply.status == 9 && reply.ended && reply.closeCode == 0)
  #expect(try client.call("/t.T/Echo", [[1]]).status == 0)
  #expect(server.stop() == 0)
}

@Test(arguments: [true, false]) func `a stream that is lost tells its handler`(byReset: Bool) throws {
  let server = try TestServer()
  server.streams.pauses.store(true, ordering: .relaxed)
  do {
    let client = try server.connect()
    let id = try client.open("/t.T/Stream")
    try client.send(framed([1]) + framed([2]) + framed([3]), on: id)
    server.streams.received.wait(for: 1)
    if byReset { try client.reset(id) }
    if byReset { server.streams.cancelled.wait(for: 1) }
  }
  server.streams.cancelled.wait(for: 1)
  #expect(server.stop() == 0)
}

@Test func `a stream's deadline ends it, whatever waits`() throws {
  let server = try TestServer()
  let client = try server.connect()
  let id = try client.open("/t.T/Stream", [("grpc-timeout", "20m")])
  try client.send(framed([1]), on: id)
  #expect(try client.finish(id).status == 4)
  server.streams.cancelled.wait(for: 1)
  #expect(server.stop() == 0)
}

/// The client's window is shut, so that the status can't leave: the stream is reset in the end.
@Test func `a stream past its deadline whose answer is not collected is reset`() throws {
  let server = try TestServer { $0.stallTimeout = .milliseconds(30) }
  var settings = HTTP2Settings()
  settings.streamWindowBytes = 1000
  let client = try server.connect(settings)
  client.consumes = false
  _ = try client.call("/t.T/Echo")
  let id = try client.open("/t.T/Stream", [("grpc-timeout", "20m")])
  try client.send(framed([UInt8](repeating: 1, count: 100_000)), on: id)
  let reply = try client.finish(id)
  #expect(reply.closeCode == HTTP2ErrorCode.cancel.rawValue && !reply.ended)
  #expect(server.stop() == 0)
}
