internal import Glibc

/// What the failures seen so far say about a deployment's true failure rate, however often one looks.
///
/// A rollout looks at its figures after every tick, and an ordinary confidence interval that is looked at a thousand
/// times is wrong far more often than it says. These are the bounds of a *confidence sequence*: with probability `1 -
/// risk` the true rate is inside at every look, from the first request to the last. The price is a somewhat wider
/// interval.
///
/// How: the likelihood of what was seen, averaged over all rates (weighted by Beta(1/2, 1/2)), divided by its
/// likelihood at rate `p`, is a martingale with mean 1 if `p` is the true rate. By Ville's inequality it ever reaches
/// `1 / risk` with probability `risk` at most, so the rates for which it has are ruled out. (Robbins, "Statistical
/// methods related to the law of the iterated logarithm", 1970.) It takes requests to fail independently of each other.
package enum RateBounds {
  /// The lowest rate not yet ruled out; 0 if nothing has failed.
  package static func lower(failures: UInt64, of requests: UInt64, risk: Double) -> Double {
    guard failures > 0, requests > 0 else { return 0 }
    let evidence = Evidence(failures: failures, requests: requests)
    // Ruled out at 0, possible at the observed rate, and monotone in between.
    return bisect(ruledOut: 0, possible: Double(failures) / Double(requests)) { evidence.rulesOut($0, risk: risk) }
  }

  /// The highest rate not yet ruled out; 1 if nothing has been seen.
  package static func upper(failures: UInt64, of requests: UInt64, risk: Double) -> Double {
    guard failures < requests else { return 1 }
    let evidence = Evidence(failures: failures, requests: requests)
    return bisect(ruledOut: 1, possible: Double(failures) / Double(requests)) { evidence.rulesOut($0, risk: risk) }
  }

  /// The end of `possible` nearest to `ruledOut`, to 60 halvings. Errs towards `ruledOut`: the wider interval.
  private static func bisect(ruledOut: Double, possible: Double, isRuledOut: (Double) -> Bool) -> Double {
    var out = ruledOut
    var inside = possible
    for _ in 0..<60 {
      let middle = (out + inside) / 2
      if isRuledOut(middle) { out = middle } else { inside = middle }
    }
    return out
  }

  private struct Evidence {
    let failures: Double
    let successes: Double
    /// Logarithm of the averaged likelihood.
    let average: Double

    init(failures: UInt64, requests: UInt64) {
      self.failures = Double(failures)
      successes = Double(requests - failures)
      average = Self.logBeta(0.5 + self.failures, 0.5 + successes) - Self.logBeta(0.5, 0.5)
    }

    func rulesOut(_ rate: Double, risk: Double) -> Bool {
      if rate <= 0 { return failures > 0 }
      if rate >= 1 { return successes > 0 }
      return average - failures * log(rate) - successes * log(1 - rate) >= -log(risk)
    }

    private static func logBeta(_ first: Double, _ second: Double) -> Double {
      lgamma(first).0 + lgamma(second).0 - lgamma(first + second).0
    }
  }
}
