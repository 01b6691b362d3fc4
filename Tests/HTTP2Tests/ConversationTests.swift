import HTTP2
import Inference
import Testing

@Test func `a call is headers and data up, headers, data and trailers down`() throws {
  let talk = try Conversation()
  let stream = try #require(try talk.open([("x", "y")]))
  talk.client.session.enqueue(Owner(5).segment(), on: stream)
  talk.client.session.finish(stream)
  try talk.settle()
  #expect(talk.server.kinds(of: 1) == [.headers, .data, .endOfStream])
  let seen = try #require(talk.server.streams[1])
  #expect(seen.pointee.headers.text(":path") == "/a/B")
  #expect(seen.pointee.headers.text("x") == "y")
  #expect(seen.pointee.headers.value(of: "absent") == nil)

  talk.server.session.respond(seen, okHeaders, endStream: false)
  talk.server.session.enqueue(Owner(3, fill: 9).segment(), on: seen)
  talk.server.session.finish(seen, trailers: okTrailers)
  try talk.settle()
  #expect(talk.client.kinds(of: 1) == [.headers, .data, .trailers, .endOfStream, .closed])
  #expect(talk.client.bodies[1] == [9, 9, 9])
  #expect(talk.server.kinds(of: 1).last == .closed)
  #expect(talk.client.session.streamCount == 0)
  #expect(talk.server.session.streamCount == 0)
}

@Test func `an answer may be headers alone`() throws {
  let talk = try Conversation()
  _ = try talk.open(endStream: true)
  try talk.settle()
  var block = HeaderBlock()
  defer { block.deallocate() }
  block.append(name: ":status", value: "200")
  block.append(name: "grpc-status", value: "12")
  var status: String?
  talk.client.onEvent = { event, _ in
    if event.kind == .headers { status = event.stream?.pointee.headers.text("grpc-status") }
  }
  talk.server.session.respond(try #require(talk.server.streams[1]), block, endStream: true)
  try talk.settle()
  #expect(talk.client.kinds(of: 1) == [.headers, .endOfStream, .closed])
  #expect(status == "12")
}

@Test func `trailers may be made for the occasion`() throws {
  let talk = try Conversation()
  _ = try talk.open(endStream: true)
  try talk.settle()
  var message: String?
  talk.client.onEvent = { event, _ in
    if event.kind == .trailers { message = event.stream?.pointee.trailers.text("grpc-message") }
  }
  let stream = try #require(talk.server.streams[1])
  talk.server.session.respond(stream, okHeaders, endStream: false)
  var block = HeaderBlock()
  block.append(name: "grpc-message", value: "so it goes")
  talk.server.session.finish(stream, trailers: block)
  block.deallocate()
  try talk.settle()
  #expect(message == "so it goes")
}

/// One body as one large segment, many small ones, and a mix; each owner must be let go exactly once.
@Test(arguments: [[1_000_000], Array(repeating: 10, count: 5000), [3, 50_000, 0, 2048, 2049, 70_000, 1]])
func `a body by reference arrives whole, and its owners are let go once`(sizes: [Int]) throws {
  let talk = try Conversation()
  _ = try talk.open(endStream: true)
  try talk.settle()
  let stream = try #require(talk.server.streams[1])
  talk.server.session.respond(stream, okHeaders, endStream: false)
  var freed = 0
  var expected: [UInt8] = []
  for (index, size) in sizes.enumerated() {
    let fill = UInt8(truncatingIfNeeded: index)
    expected += repeatElement(fill, count: size)
    talk.server.session.enqueue(Owner(size, fill: fill) { freed += $0 }.segment(), on: stream)
  }
  talk.server.session.finish(stream, trailers: okTrailers)
  try talk.settle()
  #expect(talk.client.bodies[1, default: []].elementsEqual(expected))
  #expect(freed == sizes.count)
}

/// The buffer has room for about two frames: the rest must wait for the next collecting, and nothing may be lost.
@Test func `a full output buffer holds the stream up, and it goes on`() throws {
  let talk = try Conversation(serverBuffer: OutputBuffer(capacity: 48 * 1024, pieceCapacity: 26))
  _ = try talk.open(endStream: true)
  try talk.settle()
  let stream = try #require(talk.server.streams[1])
  talk.server.session.respond(stream, okHeaders, endStream: false)
  var freed = 0
  talk.server.session.enqueue(Owner(400_000) { freed += $0 }.segment(), on: stream)
  talk.server.session.finish(stream, trailers: okTrailers)
  let first = try talk.server.collect()
  #expect(talk.server.wasBlocked)
  #expect(first.count < 200_000)
  #expect(stream.pointee.pendingBytes > 0)
  #expect(freed == 0)
  try talk.client.receive(first, at: talk.now)
  try talk.settle()
  #expect(talk.client.bodies[1]?.count == 400_000)
  #expect(talk.client.kinds(of: 1).suffix(3) == [.trailers, .endOfStream, .closed])
  #expect(freed == 1)
}

@Test func `a stream's window holds the sender back until bytes are consumed`() throws {
  var settings = HTTP2Settings()
  settings.streamWindowBytes = 100_000
  let talk = try Conversation(server: settings)
  talk.server.consumes = false
  let stream = try #require(try talk.open())
  talk.client.session.enqueue(Owner(250_000).segment(), on: stream)
  talk.client.session.finish(stream)
  try talk.settle()
  #expect(talk.server.bodies[1]?.count == 100_000)
  #expect(stream.pointee.pendingBytes == 150_000)
  talk.server.session.consume(100_000, of: try #require(talk.server.streams[1]))
  try talk.settle()
  #expect(talk.server.bodies[1]?.count == 200_000)
  talk.server.session.consume(100_000, of: try #require(talk.server.streams[1]))
  try talk.settle()
  #expect(talk.server.bodies[1]?.count == 250_000)
  #expect(talk.server.kinds(of: 1).last == .endOfStream)
}

/// Two streams, each within its own window; together they are held to the connection's.
@Test func `the connection's window is given back apart from the stream's`() throws {
  var settings = HTTP2Settings()
  settings.streamWindowBytes = 80_000
  settings.connectionWindowBytes = 100_000
  let talk = try Conversation(server: settings)
  talk.server.consumes = false
  for _ in 0..<2 {
    let stream = try #require(try talk.open())
    talk.client.session.enqueue(Owner(80_000).segment(), on: stream)
  }
  func received() -> Int { talk.server.bodies.values.reduce(0) { $0 + $1.count } }
  try talk.settle()
  #expect(received() == 100_000)
  for stream in talk.server.streams.values { talk.server.session.consumeStream(50_000, of: stream) }
  try talk.settle()
  #expect(received() == 100_000)
  talk.server.session.consumeConnection(100_000)
  try talk.settle()
  #expect(received() == 160_000)
}

@Test func `a stream says once that it has drained, if it was asked`() throws {
  let talk = try Conversation()
  _ = try talk.open(endStream: true)
  try talk.settle()
  let stream = try #require(talk.server.streams[1])
  talk.server.session.respond(stream, okHeaders, endStream: false)
  for asks in [false, true, false] {
    talk.server.session.enqueue(Owner(100_000).segment(), on: stream)
    stream.pointee.reportsDrain = asks
    try talk.settle()
  }
  #expect(talk.server.kinds(of: 1).filter { $0 == .drained }.count == 1)
  #expect(stream.pointee.pendingBytes == 0)
}

@Test func `a reset ends the stream on both sides with its code, and drops what waits`() throws {
  let talk = try Conversation()
  talk.client.consumes = false
  _ = try talk.open(endStream: true)
  try talk.settle()
  let stream = try #require(talk.server.streams[1])
  talk.server.session.respond(stream, okHeaders, endStream: false)
  var freed = 0
  talk.server.session.enqueue(Owner(50 << 20) { freed += $0 }.segment(), on: stream)
  try talk.settle()
  #expect(freed == 0)  // held by the client's window
  talk.server.session.reset(stream, code: .cancel)
  try talk.settle()
  #expect(freed == 1)
  #expect(talk.client.notes.last == .init(kind: .closed, id: 1, code: HTTP2ErrorCode.cancel.rawValue))
  #expect(talk.server.notes.last == .init(kind: .closed, id: 1, code: HTTP2ErrorCode.cancel.rawValue))
}

/// The closed event comes after data of the same read; whatever the handler does then must be without effect.
@Test func `a stream that is closed takes and says nothing more`() throws {
  let talk = try Conversation()
  let stream = try #require(try talk.open())
  talk.client.session.enqueue(Owner(10).segment(), on: stream)
  var up = try talk.client.collect()
  talk.client.session.reset(stream, code: .cancel)
  up += try talk.client.collect()
  var freed = 0
  talk.server.onEvent = { event, session in
    guard event.kind == .headers, let stream = event.stream else { return }
    session.respond(stream, okHeaders, endStream: false)
    session.enqueue(Owner(10_000) { freed += $0 }.segment(), on: stream)
    session.finish(stream, trailers: okTrailers)
    session.reset(stream, code: .internalError)
    session.consume(10, of: stream)
  }
  try talk.server.receive(up, at: talk.now)
  #expect(talk.server.kinds(of: 1) == [.headers, .data, .closed])
  #expect(freed == 1)
  #expect(talk.server.session.streamCount == 0)
  try talk.settle()
}

/// RFC 9113 §8.1: the whole answer first, then RST_STREAM(NO_ERROR), so that the client stops uploading.
@Test func `an early answer arrives whole before the stream is reset`() throws {
  let talk = try Conversation()
  let stream = try #require(try talk.open())
  talk.client.session.enqueue(Owner(1000).segment(), on: stream)
  try talk.settle()
  let seen = try #require(talk.server.streams[1])
  talk.server.session.respond(seen, okHeaders, endStream: false)
  talk.server.session.enqueue(Owner(300_000).segment(), on: seen)
  talk.server.session.finish(seen, trailers: okTrailers)
  talk.server.session.resetAfterEnd(seen)
  try talk.settle()
  #expect(talk.client.bodies[1]?.count == 300_000)
  #expect(talk.client.kinds(of: 1).suffix(3) == [.trailers, .endOfStream, .closed])
  #expect(talk.client.notes.last?.code == HTTP2ErrorCode.noError.rawValue)
  #expect(talk.server.session.streamCount == 0)
}

@Test func `a stream whose both sides have ended is not reset after its end`() throws {
  let talk = try Conversation()
  _ = try talk.open(endStream: true)
  try talk.settle()
  let seen = try #require(talk.server.streams[1])
  talk.server.session.resetAfterEnd(seen)
  talk.server.session.respond(seen, okHeaders, endStream: false)
  talk.server.session.finish(seen, trailers: okTrailers)
  try talk.settle()
  #expect(talk.client.kinds(of: 1) == [.headers, .trailers, .endOfStream, .closed])
}

@Test func `GOAWAY lets open streams finish and refuses new ones`() throws {
  let talk = try Conversation()
  _ = try talk.open(endStream: true)
  try talk.settle()
  talk.server.session.goAway(code: .noError)
  try talk.settle()
  #expect(talk.client.notes.contains(.init(kind: .goAway)))
  #expect(try talk.open(endStream: true) == nil)
  #expect(!talk.server.session.isFinished)
  let seen = try #require(talk.server.streams[1])
  talk.server.session.respond(seen, okHeaders, endStream: false)
  talk.server.session.finish(seen, trailers: okTrailers)
  try talk.settle()
  #expect(talk.client.kinds(of: 1).suffix(2) == [.endOfStream, .closed])
  #expect(talk.client.session.isFinished)
}

@Test func `the shutdown notice still takes streams that are on their way`() throws {
  let talk = try Conversation()
  talk.server.session.announceShutdown()
  talk.server.session.ping()
  _ = try talk.open(endStream: true)  // crosses the notice
  try talk.settle()
  #expect(talk.server.streams[1] != nil)
  #expect(talk.server.notes.contains(.init(kind: .pingAcknowledged)))
}

@Test func `terminating finishes the session once GOAWAY is sent`() throws {
  let talk = try Conversation()
  talk.server.session.terminate(code: .enhanceYourCalm)
  #expect(!talk.server.session.isFinished)
  try talk.settle()
  #expect(talk.server.session.isFinished)
  #expect(talk.client.notes.contains(.init(kind: .goAway, code: HTTP2ErrorCode.enhanceYourCalm.rawValue)))
}

@Test func `a header list over the limit is marked and incomplete`() throws {
  var settings = HTTP2Settings()
  settings.maxHeaderListBytes = 1000
  let talk = try Conversation(server: settings)
  _ = try talk.open([("big", String(repeating: "x", count: 1500)), ("late", "1")], endStream: true)
  try talk.settle()
  let seen = try #require(talk.server.streams[1])
  #expect(seen.pointee.headersTooLarge)
  #expect(seen.pointee.headers.value(of: "big") == nil)
  #expect(seen.pointee.headers.text(":path") == "/a/B")
}

@Test func `a header list far over the limit resets its stream and no other`() throws {
  var settings = HTTP2Settings()
  settings.maxHeaderListBytes = 1000
  let talk = try Conversation(server: settings)
  _ = try talk.open(endStream: true)
  _ = try talk.open([("big", String(repeating: "x", count: 5000))], endStream: true)
  try talk.settle()
  #expect(talk.server.kinds(of: 3) == [.closed])
  #expect(talk.client.closed == [3])
  #expect(talk.server.streams[1] != nil)
}

@Test func `a lost connection closes every stream and lets what waits go`() throws {
  let talk = try Conversation()
  talk.client.consumes = false
  var freed = 0
  for _ in 0..<3 { _ = try talk.open(endStream: true) }
  try talk.settle()
  for stream in talk.server.streams.values {
    talk.server.session.respond(stream, okHeaders, endStream: false)
    talk.server.session.enqueue(Owner(50 << 20) { freed += $0 }.segment(), on: stream)
  }
  try talk.settle()
  talk.server.session.abandonStreams()
  talk.server.session.abandonStreams()  // twice is as once
  talk.server.processEvents()
  #expect(talk.server.closed == [1, 3, 5])
  #expect(freed == 3)
  #expect(talk.server.session.streamCount == 0)
}

@Test func `a session that goes takes its open streams and their segments with it`() throws {
  var freed = 0
  do {
    let talk = try Conversation()
    talk.client.consumes = false
    _ = try talk.open(endStream: true)
    try talk.settle()
    let stream = try #require(talk.server.streams[1])
    talk.server.session.respond(stream, okHeaders, endStream: false)
    talk.server.session.enqueue(Owner(50 << 20) { freed += $0 }.segment(), on: stream)
    try talk.settle()
    #expect(freed == 0)
  }
  #expect(freed == 1)
}

@Test func `recycled streams remember nothing`() throws {
  let talk = try Conversation()
  for round in 0..<50 {
    let id = Int32(2 * round + 1)
    _ = try talk.open(round % 2 == 0 ? [("odd", "1")] : [], endStream: true)
    try talk.settle()
    let stream = try #require(talk.server.streams[id])
    #expect((stream.pointee.headers.value(of: "odd") != nil) == (round % 2 == 0))
    #expect(stream.pointee.context == nil && stream.pointee.pendingBytes == 0)
    stream.pointee.context = UnsafeMutableRawPointer(stream)
    talk.server.session.respond(stream, okHeaders, endStream: false)
    talk.server.session.enqueue(Owner(100).segment(), on: stream)
    talk.server.session.finish(stream, trailers: okTrailers)
    try talk.settle()
    #expect(talk.client.bodies[id]?.count == 100)
  }
}
