/// Signs that the client was the limit, and not the server.
package enum ClientLimits {
  /// A thread that is busier has no room to be on time.
  package static let busiest = 0.9
  /// Sends that are later than this, and than a tenth of the median latency, distort what is measured.
  package static let sendLag: UInt64 = 1_000_000

  /// What to tell the person, most important first; empty if the client kept up.
  package static func warnings(_ result: StepResult) -> [String] {
    var warnings: [String] = []
    let lag = result.total.sendLag.value(atPercentile: 99)
    let isLate = result.step.isOpenLoop && lag > max(sendLag, result.total.latency.value(atPercentile: 50) / 10)
    let waited = Double(result.total.waitedForStream) / Double(max(result.total.sent, 1))
    if let busy = result.busiestThread, busy > busiest {
      warnings.append(
        "the client is the limit: a thread was \(percent(busy)) busy; give it more --threads, on cores that the server "
          + "does not use")
    }
    if isLate {
      let cause =
        waited > 0.01
        ? "\(percent(waited)) of the requests waited for a free stream: the server is slower than the rate, or "
          + "--connections and --streams are too few"
        : "the client was late: it has too little CPU, or needs --precise"
      warnings.append("1 % of the requests left more than \(lag / 1_000_000) ms after they were due; \(cause)")
    }
    return warnings
  }

  /// Whether a rate that was not reached says nothing of the server.
  package static func limited(_ result: StepResult) -> Bool {
    if let busy = result.busiestThread, busy > busiest { return true }
    let waited = Double(result.total.waitedForStream) / Double(max(result.total.sent, 1))
    let lag = result.total.sendLag.value(atPercentile: 99)
    return waited <= 0.01 && lag > max(sendLag, result.total.latency.value(atPercentile: 50))
  }

  private static func percent(_ share: Double) -> String { "\(Int((share * 100).rounded())) %" }
}

extension ClientLimits {
  /// Calls may fail by so small a share, and the rate still passes.
  package static let tolerableFailures = 0.001

  /// Whether a probe of a search kept its bound.
  package static func verdict(
    _ result: StepResult, percentile: Double, boundNanoseconds: UInt64
  ) -> RateSearch.Verdict {
    let total = result.total.answered + result.total.failed
    let failures = total == 0 ? 1 : Double(result.total.failed) / Double(total)
    if failures <= tolerableFailures, result.total.latency.value(atPercentile: percentile) <= boundNanoseconds {
      return .passed
    }
    return limited(result) ? .clientLimited : .failed
  }
}
