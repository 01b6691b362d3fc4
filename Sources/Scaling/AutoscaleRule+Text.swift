package import Inference

/// The short form of a condition, as command lines write it: `CpuUtilizationPercentage > 70 avg 5m`.
extension MetricTrigger {
  private static let words: [(word: String, aggregation: Aggregation)] = [
    ("avg", .average), ("min", .minimum), ("max", .maximum), ("total", .total), ("count", .count), ("last", .last),
  ]
  private static let form = "METRIC {==,!=,>,>=,<,<=} THRESHOLD {avg,min,max,total,count,last} TIME"

  /// Reads `text`. A metric's name may hold spaces.
  ///
  /// - Throws: `.invalidArgument` that says which part is wrong and what is expected there.
  package init(
    condition text: String, source: Source = .deployment, timeGrainSeconds: UInt64 = 60, statistic: Statistic = .average
  ) throws(InferenceError) {
    let parts = text.split(whereSeparator: \.isWhitespace).map(String.init)
    func wrong(_ what: String) -> InferenceError {
      .invalidArgument(
        "condition '\(text)': \(what); the form is \(Self.form), as in 'CpuUtilizationPercentage > 70 avg 5m'")
    }
    guard let place = parts.firstIndex(where: { Comparison(rawValue: $0) != nil }),
      let comparison = Comparison(rawValue: parts[place])
    else { throw wrong("it has no operator that stands by itself; expected one of ==, !=, >, >=, <, <=") }
    guard place > 0 else { throw wrong("it has no metric before \(comparison.rawValue)") }
    let rest = parts[(place + 1)...]
    guard rest.count >= 3 else {
      throw wrong("after \(comparison.rawValue) it has \(rest.count) of 3 parts: threshold, aggregation and time")
    }
    if rest.count > 3 {
      throw wrong("'\(rest[place + 4])' after the time is not understood; dimensions (where …) are not filtered by")
    }
    guard let threshold = Double(rest[place + 1]), threshold.isFinite else {
      throw wrong("the threshold is '\(rest[place + 1])'; expected a number")
    }
    guard let word = Self.words.first(where: { $0.word == rest[place + 2].lowercased() }) else {
      throw wrong("the aggregation is '\(rest[place + 2])'; expected avg, min, max, total, count or last")
    }
    let window = try ScaleDuration.seconds(rest[place + 3], field: "condition '\(text)': the time")
    self.init(
      metricName: parts[..<place].joined(separator: " "), source: source,
      timeGrainSeconds: min(timeGrainSeconds, window), statistic: statistic, timeWindowSeconds: window,
      timeAggregation: word.aggregation, comparison: comparison, threshold: threshold)
    try validate("condition '\(text)'")
  }

  /// The short form, which reads back to the same condition at the same grain.
  package var condition: String {
    let word = Self.words.first { $0.aggregation == timeAggregation }?.word ?? ""
    let number = Int(exactly: threshold).map(String.init) ?? String(threshold)
    let time = ScaleDuration.text(seconds: timeWindowSeconds)
    return "\(metricName) \(comparison.rawValue) \(number) \(word) \(time)"
  }
}

/// The short form of an action: `out 2`, `in 1`, `out 20%`, `to 5`.
extension ScaleAction {
  /// - Parameter condition: Whose action it is; `to` grows where it asks for more than a threshold, and shrinks where
  ///   less.
  /// - Throws: `.invalidArgument` that says what is expected.
  package init(
    scale text: String, for condition: MetricTrigger, cooldownSeconds: UInt64 = 300
  ) throws(InferenceError) {
    let wrong = InferenceError.invalidArgument(
      "scale '\(text)': expected 'out N', 'in N', 'to N', or 'out N%' and 'in N%', as in 'out 2'")
    let parts = text.lowercased().split(whereSeparator: \.isWhitespace)
    guard parts.count == 2 else { throw wrong }
    let isPercent = parts[1].hasSuffix("%")
    guard let value = Int(isPercent ? parts[1].dropLast() : parts[1]) else { throw wrong }
    let kind: Kind = isPercent ? .percentChangeCount : .changeCount
    switch parts[0] {
    case "out": self.init(direction: .increase, kind: kind, value: value, cooldownSeconds: cooldownSeconds)
    case "in": self.init(direction: .decrease, kind: kind, value: value, cooldownSeconds: cooldownSeconds)
    case "to" where !isPercent:
      let isFall = condition.comparison == .lessThan || condition.comparison == .lessThanOrEqual
      self.init(
        direction: isFall ? .decrease : .increase, kind: .exactCount, value: value, cooldownSeconds: cooldownSeconds)
    default: throw wrong
    }
    try validate("scale '\(text)'")
  }

  package var scale: String {
    switch kind {
    case .exactCount: "to \(value)"
    case .changeCount: "\(direction == .increase ? "out" : "in") \(value)"
    case .percentChangeCount: "\(direction == .increase ? "out" : "in") \(value)%"
    }
  }
}
