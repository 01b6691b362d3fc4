/// The search for the highest rate that a server serves within a bound.
///
/// Doubles the rate until one fails, or halves it until one passes, then halves the distance between the highest rate that
/// passed and the lowest that failed. A rate fails only if it fails twice in a row, so that one bad moment of the machine
/// does not decide. A state machine: the caller probes `rate` and says how it went.
package struct RateSearch: Sendable {
  package enum Verdict: Hashable, Sendable {
    case passed
    case failed
    /// The client could not offer the rate: nothing is known of the server.
    case clientLimited

    package var text: String {
      switch self {
      case .passed: "passes"
      case .failed: "fails"
      case .clientLimited: "the client is the limit"
      }
    }
  }

  package enum Outcome: Hashable, Sendable {
    /// The rates that passed and failed are close enough.
    case converged
    /// Not even the lowest rate passed.
    case nothingPasses
    /// The highest rate that may be tried passed.
    case reachedMost
    /// The client is the limit, not the server.
    case clientLimited
    /// As many probes as were allowed.
    case outOfProbes
    /// Somebody ended it.
    case interrupted

    package var text: String {
      switch self {
      case .converged: "the next rate that was tried fails"
      case .nothingPasses: "the lowest rate that was tried fails"
      case .reachedMost: "the highest rate that may be tried passes"
      case .clientLimited: "this client can't offer more"
      case .outOfProbes: "no probes are left"
      case .interrupted: "the search was interrupted"
      }
    }
  }

  /// Requests a second to probe next.
  package private(set) var rate: Double
  /// Set when the search is over.
  package private(set) var outcome: Outcome?
  /// The highest rate that passed; nil: none did.
  package private(set) var passed: Double?
  /// The lowest rate that failed; nil: none did.
  package private(set) var failed: Double?

  private let least: Double
  private let most: Double
  private let resolution: Double
  private var probesLeft: Int
  private var failuresHere = 0

  /// - Parameters:
  ///   - start: The first rate to probe, between `least` and `most`.
  ///   - resolution: The share that a failed rate may lie above the one that passed: 0.02 is 2 %.
  package init(
    start: Double, least: Double = 1, most: Double = 10_000_000, resolution: Double = 0.02, probes: Int = 60
  ) {
    rate = Swift.min(Swift.max(start, least), most)
    (self.least, self.most, self.resolution, probesLeft) = (least, most, resolution, probes)
  }

  /// Takes the verdict on `rate`, and chooses the next.
  package mutating func record(_ verdict: Verdict) {
    guard outcome == nil else { return }
    probesLeft -= 1
    switch verdict {
    case .passed:
      passed = rate
      failuresHere = 0
    case .failed:
      failuresHere += 1
      if failuresHere < 2 { return probesLeft > 0 ? () : finish(.outOfProbes) }
      failed = rate
      failuresHere = 0
    case .clientLimited:
      // As good as failed for where to go next, but the end says why.
      failed = rate
      clientLimit = rate
      failuresHere = 0
    }
    choose()
  }

  private var clientLimit: Double?

  private mutating func choose() {
    switch (passed, failed) {
    case (nil, nil): break
    case (let low?, nil):
      if low >= most { return finish(.reachedMost) }
      rate = Swift.min(low * 2, most)
    case (nil, let high?):
      if high <= least { return finish(clientLimit == high ? .clientLimited : .nothingPasses) }
      rate = Swift.max(high / 2, least)
    case (let low?, let high?):
      if high <= low * (1 + resolution) { return finish(clientLimit == high ? .clientLimited : .converged) }
      rate = (low + high) / 2
    }
    if probesLeft <= 0 { finish(.outOfProbes) }
  }

  private mutating func finish(_ outcome: Outcome) { self.outcome = outcome }

  /// How long a probe must last for its percentile to mean something: at least a hundred calls above it.
  ///
  /// - Parameters:
  ///   - percentile: Below 100.
  ///   - least: Never shorter, in nanoseconds.
  package static func probeNanoseconds(rate: Double, percentile: Double, least: UInt64, most: UInt64) -> UInt64 {
    let calls = 100 / Swift.max(1 - percentile / 100, 0.0001)
    let needed = calls / rate * 1e9
    return Swift.min(Swift.max(least, needed >= Double(most) ? most : UInt64(needed.rounded())), most)
  }
}
