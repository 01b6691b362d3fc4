import Glibc
import HTTP2
import Inference
import Testing

/// Small calls from one session to another, in memory. `BENCH_ROUNDS` makes the run long enough to read the time.
@Test func `many small calls leave nothing behind in either session`() throws {
  let rounds = getenv("BENCH_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 500
  let talk = try Conversation()
  let start = Instant.now()
  for _ in 0..<rounds {
    let stream = try #require(try talk.open())
    talk.client.session.enqueue(Owner(64).segment(), on: stream)
    talk.client.session.finish(stream)
    try talk.settle()
    let seen = try #require(talk.server.streams.values.first)
    talk.server.session.respond(seen, okHeaders, endStream: false)
    talk.server.session.enqueue(Owner(64).segment(), on: seen)
    talk.server.session.finish(seen, trailers: okTrailers)
    try talk.settle()
    talk.client.notes = []
    talk.server.notes = []
    talk.client.bodies = [:]
    talk.server.bodies = [:]
  }
  print("framing: \(Instant.now().nanoseconds(since: start) / UInt64(rounds)) ns a call, both sides and the test's own notes")
  #expect(talk.client.session.streamCount == 0)
  #expect(talk.server.session.streamCount == 0)
  #expect(talk.client.closed.count == rounds)
}
