import LoadTesting
import Testing

/// Searches a server that serves up to `capacity`; `isNoisy` fails every seventh probe whatever its rate.
private func search(_ start: RateSearch, capacity: Double, isNoisy: Bool = false) -> (RateSearch, probes: Int) {
  var search = start
  var probes = 0
  while search.outcome == nil, probes < 1000 {
    probes += 1
    search.record(search.rate <= capacity && !(isNoisy && probes % 7 == 0) ? .passed : .failed)
  }
  return (search, probes)
}

@Test(arguments: [3.0, 100, 1234, 55_555, 900_000])
func `the search ends within its resolution below what the server can do`(capacity: Double) throws {
  for start in [10.0, 1000, 100_000] {
    let (found, probes) = search(RateSearch(start: start, resolution: 0.02), capacity: capacity)
    let passed = try #require(found.passed)
    #expect(found.outcome == .converged)
    #expect(passed <= capacity && passed >= capacity / 1.02 - 0.001)
    #expect(probes <= 40)
  }
}

@Test func `one bad probe does not end a search`() throws {
  let (found, _) = search(RateSearch(start: 100, resolution: 0.02), capacity: 20_000, isNoisy: true)
  #expect(try #require(found.passed) >= 20_000 / 1.02)
}

@Test func `a server that passes nothing, or everything, ends the search with that word`() {
  #expect(search(RateSearch(start: 1000, least: 10), capacity: 0).0.outcome == .nothingPasses)
  let all = search(RateSearch(start: 1000, most: 5000), capacity: .infinity).0
  #expect(all.outcome == .reachedMost && all.passed == 5000)
}

@Test func `a search ends when its probes are used up`() {
  let (found, probes) = search(RateSearch(start: 1, probes: 5), capacity: 1e6)
  #expect(found.outcome == .outOfProbes && probes == 5 && found.passed == 16)
}

@Test func `where the client is the limit the search says so`() {
  var search = RateSearch(start: 1000, resolution: 0.05)
  while search.outcome == nil { search.record(search.rate <= 3000 ? .passed : .clientLimited) }
  #expect(search.outcome == .clientLimited)
  #expect(search.passed.map { $0 > 2800 && $0 <= 3000 } == true)
}

@Test func `a probe is long enough for a hundred calls above the percentile`() {
  let second: UInt64 = 1_000_000_000
  #expect(RateSearch.probeNanoseconds(rate: 1000, percentile: 99, least: second, most: 60 * second) == 10 * second)
  #expect(RateSearch.probeNanoseconds(rate: 1e6, percentile: 99, least: second, most: 60 * second) == second)
  #expect(RateSearch.probeNanoseconds(rate: 10, percentile: 99.9, least: second, most: 60 * second) == 60 * second)
}
