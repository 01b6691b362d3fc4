import HTTP2
import Inference
import Testing

/// Frames written by hand, since no proper client sends them.
private func frame(_ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
  let count = UInt32(payload.count)
  let head = [UInt8(count >> 16 & 255), UInt8(count >> 8 & 255), UInt8(count & 255), type, flags]
  return head + withUnsafeBytes(of: stream.bigEndian) { Array($0) } + payload
}

private let ping = frame(6, Array(repeating: 0, count: 8))
private let settings = frame(4)
private let priority = frame(2, stream: 9, [0, 0, 0, 0, 0])

extension Conversation {
  /// Sends `bytes` to the server `count` times and its answers to nobody; says whether the server ended the connection.
  fileprivate func flood(_ bytes: [UInt8], _ count: Int) throws -> Bool {
    for _ in 0..<count {
      try server.receive(bytes, at: now)
      _ = try server.collect()
      if server.session.isFinished { return true }
    }
    return false
  }
}

@Test(arguments: [ping, settings, priority])
func `control frames without end finish the connection`(bytes: [UInt8]) throws {
  let talk = try Conversation()
  #expect(try !talk.flood(bytes, 900))
  #expect(try talk.flood(bytes, 200))
}

@Test func `control frames now and then are left alone`() throws {
  let talk = try Conversation()
  for _ in 0..<5000 {
    #expect(try !talk.flood(ping, 1))
    talk.now = talk.now.advanced(byNanoseconds: 20_000_000)  // 50 a second; the budget refills with 100
  }
}

@Test func `a spent budget refills with time`() throws {
  let talk = try Conversation()
  #expect(try !talk.flood(ping, 990))
  talk.now = talk.now.advanced(byNanoseconds: 5_000_000_000)
  #expect(try !talk.flood(ping, 400))
  #expect(try talk.flood(ping, 700))
}

/// As grpc-go does to measure the path: a PING for each answer, thousands a second.
@Test func `a ping for each answer is no flood`() throws {
  let talk = try Conversation()
  for round in 0..<3000 {
    let stream = try talk.open(endStream: true)
    #expect(stream != nil)
    try talk.settle()
    let seen = try #require(talk.server.streams[Int32(2 * round + 1)])
    talk.server.session.respond(seen, okHeaders, endStream: true)
    try talk.settle()
    talk.client.session.ping()
    try talk.settle()
  }
  #expect(!talk.server.session.isFinished)
  let pings = talk.server.notes.filter { $0.kind == .pingReceived }
  #expect(pings.count == 3000 && pings.allSatisfy { $0.code == 1 })
}

@Test func `empty DATA without end finishes the connection`() throws {
  let talk = try Conversation()
  _ = try talk.open()
  try talk.settle()
  #expect(try !talk.flood(frame(0, stream: 1), 900))
  #expect(try talk.flood(frame(0, stream: 1), 200))
}

/// Each WINDOW_UPDATE overflows its stream's window: nghttp2 answers with RST_STREAM, and leaves the connection be.
@Test func `resets that the peer provokes without end finish the connection`() throws {
  let talk = try Conversation()
  var isOver = false
  for round in 0..<3000 where !isOver {
    _ = try talk.open()
    let up = try talk.client.collect()
    try talk.server.receive(up + frame(8, stream: UInt32(2 * round + 1), [0x7f, 0xff, 0xff, 0xff]), at: talk.now)
    let down = try talk.server.collect()
    isOver = talk.server.session.isFinished
    if !isOver { try talk.client.receive(down, at: talk.now) }
  }
  #expect(isOver)
  #expect(talk.server.closed.count >= 400)
}

@Test func `resets of our own are not held against the peer`() throws {
  let talk = try Conversation()
  for round in 0..<2000 {
    _ = try talk.open()
    try talk.settle()
    talk.server.session.reset(try #require(talk.server.streams[Int32(2 * round + 1)]), code: .cancel)
    try talk.settle()
  }
  #expect(!talk.server.session.isFinished)
}

/// CVE-2023-44487: streams opened and reset at once.
@Test func `rapid resets finish the connection`() throws {
  var limits = HTTP2Settings()
  limits.resetBurst = 100
  limits.resetsPerSecond = 10
  let talk = try Conversation(server: limits)
  for _ in 0..<300 {
    let stream = try #require(try talk.open())
    let headers = try talk.client.collect()
    talk.client.session.reset(stream, code: .cancel)
    let up = headers + (try talk.client.collect())
    try talk.server.receive(up, at: talk.now)
    _ = try talk.server.collect()
    if talk.server.session.isFinished { break }
  }
  #expect(talk.server.session.isFinished)
  #expect(talk.server.session.streamCount == 0)
}

@Test func `bytes that are not HTTP/2 are an error with nghttp2's reason`() throws {
  let talk = try Conversation.Side(.server, HTTP2Settings(), OutputBuffer(), at: Instant(nanoseconds: 0))
  let error = #expect(throws: HTTP2Error.self) {
    try talk.receive(Array("PRI * HTTP/1.1\r\n\r\nxxxxxxxx".utf8), at: Instant(nanoseconds: 0))
  }
  #expect(error?.code == -903)
  #expect(error?.description.isEmpty == false)
}
