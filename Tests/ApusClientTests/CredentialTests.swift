import ApusClient
import Inference
import Testing

private func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

@Suite struct TokenStateTests {
  @Test func `the first call fetches and the others wait for it`() {
    var state = TokenState(refreshAhead: .seconds(60))
    #expect(state.verdict(at: at(0)) == .fetch)
    #expect(state.verdict(at: at(0)) == .wait)
    state.fetched("a", lifetime: .seconds(600), at: at(1))
    #expect(state.verdict(at: at(2)) == .use("a"))
  }

  @Test func `the next token is fetched ahead of the old one's end, by one caller`() {
    var state = TokenState(refreshAhead: .seconds(60))
    _ = state.verdict(at: at(0))
    state.fetched("a", lifetime: .seconds(600), at: at(0))
    #expect(state.verdict(at: at(539)) == .use("a"))
    #expect(state.verdict(at: at(540)) == .useAndFetch("a"))
    #expect(state.verdict(at: at(541)) == .use("a"))
    state.fetched("b", lifetime: .seconds(600), at: at(542))
    #expect(state.verdict(at: at(543)) == .use("b"))
  }

  @Test func `a refresh that fails leaves the old token in use, and is tried again after a rest`() {
    var state = TokenState(refreshAhead: .seconds(60))
    _ = state.verdict(at: at(0))
    state.fetched("a", lifetime: .seconds(100), at: at(0))
    #expect(state.verdict(at: at(50)) == .useAndFetch("a"))
    state.failed(at: at(50))
    #expect(state.verdict(at: at(50)) == .use("a"))
    #expect(state.verdict(at: at(51)) == .useAndFetch("a"))
    #expect(state.verdict(at: at(100)) == .wait, "it has expired, and a fetch is on its way")
    state.failed(at: at(101))
    #expect(state.verdict(at: at(101)) == .fetch)
  }

  @Test func `a token without an end is fetched once, unless the server refuses it`() {
    var state = TokenState(refreshAhead: .seconds(60))
    _ = state.verdict(at: at(0))
    state.fetched("a", lifetime: nil, at: at(0))
    #expect(state.verdict(at: at(1_000_000)) == .use("a"))
    state.refused("other")
    #expect(state.verdict(at: at(1_000_000)) == .use("a"))
    state.refused("a")
    #expect(state.verdict(at: at(1_000_001)) == .fetch)
  }
}

@Suite struct TraceContextTests {
  @Test func `a traceparent of the form is taken as it is`() {
    let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    #expect(TraceContext(traceParent: text)?.traceParent == text)
    #expect(TraceContext(traceParent: "cc" + text.dropFirst(2) + "-later") != nil)
  }

  @Test(arguments: [
    "", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
    "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
  ])
  func `what is no traceparent is refused`(text: String) { #expect(TraceContext(traceParent: text) == nil) }
}

@Suite struct LatencyHistogramTests {
  @Test func `every duration is below its bucket's bound, and less than a sixteenth below the one before`() {
    var duration: UInt64 = 0
    while duration < 1 << 40 {
      let bucket = LatencyHistogram.bucket(ofNanoseconds: duration)
      let bound = LatencyHistogram.upperBound(ofBucket: bucket)
      #expect(duration < bound)
      if bucket > 0 { #expect(LatencyHistogram.upperBound(ofBucket: bucket - 1) <= duration) }
      if duration >= 16 { #expect(Double(bound) <= Double(duration) * 17 / 16 + 1) }
      duration = duration * 9 / 8 + 1
    }
    #expect(LatencyHistogram.bucket(ofNanoseconds: .max) == LatencyHistogram.bucketCount - 1)
  }

  @Test func `an empty histogram has no quantiles`() { #expect(LatencyHistogram().quantile(0.5) == nil) }
}
