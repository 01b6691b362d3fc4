/// The comparison of a new deployment's figures with an old one's, under a plan's bounds.
///
/// A bound counts as *broken* only when chance is ruled out at the plan's confidence; figures that lie beyond it but
/// could still be chance leave it in *doubt*.
struct Judge {
  enum Verdict: Equatable {
    case fine
    case doubtful(String)
    case broken(String)
  }

  let plan: RolloutPlan
  let newName: String
  let oldName: String

  /// - Parameter old: The baseline. Where it has fewer requests than `minimumRequests`, the error rate is compared with
  ///   zero, and the ratios are not judged.
  func verdict(new: DeploymentMeasurement, old: DeploymentMeasurement) -> Verdict {
    guard new.requests >= plan.minimumRequests else { return .fine }
    var worst = Verdict.fine
    let hasBaseline = old.requests >= plan.minimumRequests
    if let bound = plan.bounds.maxErrorDifference {
      worst = errorVerdict(
        new, old, hasBaseline: hasBaseline, limit: { $0 + bound }, text: "the bound is +\(Figures.percent(bound))")
    }
    if worst.isBroken { return worst }
    if let bound = plan.bounds.maxErrorRatio, hasBaseline {
      let text = "the bound is \(Figures.rounded(bound, decimals: 2)) times"
      worst = worst.worse(errorVerdict(new, old, hasBaseline: true, limit: { $0 * bound }, text: text))
    }
    if worst.isBroken { return worst }
    return worst.worse(latencyVerdict(new: new.latencies, old: old.latencies))
  }

  private func errorVerdict(
    _ new: DeploymentMeasurement, _ old: DeploymentMeasurement, hasBaseline: Bool, limit: (Double) -> Double,
    text: String
  ) -> Verdict {
    guard new.errorRate > limit(hasBaseline ? old.errorRate : 0) else { return .fine }
    let against =
      hasBaseline
      ? "against '\(oldName)' \(Figures.share(old.failures, of: old.requests))"
      : "while '\(oldName)' has answered too few requests to compare with (\(old.requests))"
    let reason =
      "error rate of '\(newName)' \(Figures.share(new.failures, of: new.requests)) \(against); \(text)"
    // New is at least `lowest`, old is at most `highest`.
    let risk = plan.riskPerBound
    let lowest = RateBounds.lower(failures: new.failures, of: new.requests, risk: risk)
    let highest = hasBaseline ? RateBounds.upper(failures: old.failures, of: old.requests, risk: risk) : 0
    return lowest > limit(highest) ? .broken(reason) : .doubtful(reason)
  }

  /// Latency at a percentile, by counting: if the new deployment were within the bound, at most `100 - percentile`
  /// percent of its requests would be slower than the limit. So it is the same test as for errors, with "slower than
  /// the limit" in place of "failed", and the limit taken from the longest time that the old deployment's percentile
  /// can be.
  private func latencyVerdict(new: LatencyCounts, old: LatencyCounts) -> Verdict {
    let bounds = plan.bounds
    guard let ratio = bounds.maxLatencyRatio, new.total >= bounds.minimumLatencySamples,
      old.total >= bounds.minimumLatencySamples,
      let newObserved = new.percentile(bounds.latencyPercentile),
      let oldObserved = old.percentile(bounds.latencyPercentile)
    else { return .fine }
    func limit(_ nanoseconds: UInt64) -> UInt64 {
      let scaled = UInt64(min(Double(nanoseconds) * ratio, 9e18))
      return max(scaled, nanoseconds + min(bounds.latencySlackNanoseconds, 1 << 62))
    }
    guard newObserved > limit(oldObserved) else { return .fine }
    let name = "\(Figures.rounded(bounds.latencyPercentile, decimals: 2))th percentile"
    let reason =
      "latency of '\(newName)' at the \(name) \(Figures.time(newObserved)) (of \(new.total)) against '\(oldName)' "
      + "\(Figures.time(oldObserved)) (of \(old.total)); the bound is \(Figures.rounded(ratio, decimals: 2)) times"
    let tail = 1 - bounds.latencyPercentile / 100
    let risk = plan.riskPerBound
    let longest = old.firstEdge { RateBounds.upper(failures: $0, of: old.total, risk: risk) > tail }
    guard let longest else { return .doubtful(reason) }
    let slow = new.count(atLeast: limit(longest))
    return RateBounds.lower(failures: slow, of: new.total, risk: risk) > tail ? .broken(reason) : .doubtful(reason)
  }

  func verdict(mirror: MirrorMeasurement) -> Verdict {
    guard let step = plan.mirror, let bound = step.maxMismatch, mirror.compared >= step.minimumComparisons else {
      return .fine
    }
    guard Double(mirror.mismatched) / Double(mirror.compared) > bound else { return .fine }
    let reason =
      "answers of '\(newName)' that differ from those of '\(oldName)' "
      + "\(Figures.share(mirror.mismatched, of: mirror.compared)); the bound is \(Figures.percent(bound))"
    let lowest = RateBounds.lower(failures: mirror.mismatched, of: mirror.compared, risk: plan.riskPerTest)
    return lowest > bound ? .broken(reason) : .doubtful(reason)
  }
}

extension Judge.Verdict {
  var isBroken: Bool {
    if case .broken = self { true } else { false }
  }

  /// The worse of the two, this one if they are equally bad.
  func worse(_ other: Self) -> Self {
    switch (self, other) {
    case (.broken, _): self
    case (_, .broken): other
    case (.doubtful, _): self
    case (_, .doubtful): other
    case (.fine, .fine): self
    }
  }
}
