internal import Inference

/// How busy the instances were on average: samples, each weighed with the time since the one before it.
struct UtilisationMeter: Hashable, Sendable {
  private var latest = 0.0
  private var sampled: Instant?
  private var weighted = 0.0
  private var nanoseconds = 0.0

  /// The average since the beginning or the last `restart()`; the latest sample if no time has passed since.
  var average: Double { nanoseconds > 0 ? weighted / nanoseconds : latest }

  mutating func add(_ utilisation: Double, at now: Instant) {
    let passed = Double(now.nanoseconds(since: sampled ?? now))
    weighted += utilisation * passed
    nanoseconds += passed
    latest = utilisation
    sampled = max(sampled ?? now, now)
  }

  mutating func restart() {
    weighted = 0
    nanoseconds = 0
  }
}
