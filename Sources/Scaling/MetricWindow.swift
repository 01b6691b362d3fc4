package import Inference

/// The last stretch of one metric: a ring of equal grains of time, each with the sums of what was measured in it.
///
/// Bounded: as many grains as were asked for, whatever is recorded. Times never go backwards; what is older than the
/// ring is dropped.
package struct MetricWindow: Sendable {
  /// What one or several grains of time hold.
  package struct Grain: Hashable, Sendable {
    package var count: UInt64 = 0
    package var sum = 0.0
    package var least = Double.infinity
    package var greatest = -Double.infinity

    package init() {}

    mutating func add(_ value: Double) {
      count += 1
      sum += value
      least = min(least, value)
      greatest = max(greatest, value)
    }
  }

  /// Most grains of one metric: an hour of seconds.
  package static let maxGrains = 3600

  package let grainNanoseconds: UInt64
  private var grains: [Grain]
  /// Number of the grain that is being filled, counted from the clock's zero.
  private var current: UInt64 = 0
  /// When the metric was first and last watched, with a value or without.
  package private(set) var watchedSince: Instant?
  package private(set) var lastWatched: Instant?

  /// - Parameters:
  ///   - grainNanoseconds: At least 1.
  ///   - count: Grains to keep, the one being filled included, in `1...maxGrains`.
  package init(grainNanoseconds: UInt64, count: Int) {
    self.grainNanoseconds = max(grainNanoseconds, 1)
    grains = Array(repeating: Grain(), count: min(max(count, 1), Self.maxGrains))
  }

  /// Grains that it keeps.
  package var capacity: Int { grains.count }

  package mutating func record(_ value: Double, at now: Instant) {
    guard value.isFinite else { return }
    let number = now.nanoseconds / grainNanoseconds
    watch(at: now)
    guard number + UInt64(grains.count) > current else { return }
    grains[Int(number % UInt64(grains.count))].add(value)
  }

  /// Says that the metric was looked at and had nothing to say: no request came, so there is no latency.
  package mutating func watch(at now: Instant) {
    let number = now.nanoseconds / grainNanoseconds
    if watchedSince == nil {
      watchedSince = now
      current = number
    }
    if lastWatched.map({ $0 < now }) ?? true { lastWatched = now }
    guard number > current else { return }
    for skipped in 0..<min(number - current, UInt64(grains.count)) {
      grains[Int((number - skipped) % UInt64(grains.count))] = Grain()
    }
    current = number
  }

  /// The grains of the window that ends now, the oldest first, those without a value left out.
  ///
  /// - Parameter nanoseconds: Length of the window; the grain in which it begins counts.
  package func grains(of nanoseconds: UInt64, at now: Instant) -> [Grain] {
    let begin = now.nanoseconds > nanoseconds ? (now.nanoseconds - nanoseconds) / grainNanoseconds : 0
    let oldestKept = current >= UInt64(grains.count) ? current - UInt64(grains.count - 1) : 0
    let first = max(begin, oldestKept)
    guard first <= current else { return [] }
    return (first...current).map { grains[Int($0 % UInt64(grains.count))] }.filter { $0.count > 0 }
  }
}
