import Rollouts
import Testing

@Test func `without failures the lowest rate is zero, and without requests the highest is one`() {
  #expect(RateBounds.lower(failures: 0, of: 1000, risk: 0.01) == 0)
  #expect(RateBounds.upper(failures: 0, of: 0, risk: 0.01) == 1)
  #expect(RateBounds.upper(failures: 7, of: 7, risk: 0.01) == 1)
}

@Test func `the bounds enclose what was seen, and close in as requests come`() {
  var width = 1.0
  for requests: UInt64 in [20, 100, 1000, 10_000, 100_000] {
    let failures = requests / 20
    let lower = RateBounds.lower(failures: failures, of: requests, risk: 0.001)
    let upper = RateBounds.upper(failures: failures, of: requests, risk: 0.001)
    #expect(lower < 0.05 && 0.05 < upper)
    #expect(upper - lower < width)
    width = upper - lower
  }
  #expect(width < 0.01)
}

/// At the edge the evidence is exactly 1 / risk: the averaged likelihood over the likelihood, worked out here by hand
/// for two failures of two. The average of p² under Beta(1/2, 1/2) is 3/8.
@Test func `two failures of two rule out rates up to the one that theory names`() {
  let expected = (0.375 * 0.01).squareRoot()
  #expect(abs(RateBounds.lower(failures: 2, of: 2, risk: 0.01) - expected) < 1e-9)
}

/// Looks after every single request, a thousand times a run, and counts the runs in which the truth was ever ruled out.
@Test(arguments: [0.02, 0.5]) func `the truth is rarely ruled out, however often one looks`(rate: Double) {
  var random = SeededGenerator(state: 7)
  let runs = 400
  var wrong = 0
  for _ in 0..<runs {
    var failures: UInt64 = 0
    for requests: UInt64 in 1...400 {
      if random.chance(rate) { failures += 1 }
      // The bound moves slowly: every eighth look is enough, and quick.
      guard requests % 8 == 0 else { continue }
      let observed = Double(failures) / Double(requests)
      let isWrong =
        observed > rate
        ? RateBounds.lower(failures: failures, of: requests, risk: 0.1) > rate
        : RateBounds.upper(failures: failures, of: requests, risk: 0.1) < rate
      if isWrong {
        wrong += 1
        break
      }
    }
  }
  #expect(wrong <= runs / 10, "\(wrong) of \(runs) runs")
}
