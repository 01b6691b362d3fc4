/// When requests arrive in an open loop: instants that nobody's answer decides.
package enum ArrivalProcess: Hashable, Sendable {
  /// Evenly spaced.
  case constant
  /// As independent callers come: the gaps are exponentially distributed.
  case poisson
}

/// The arrivals of one thread, as nanoseconds since the start of the step.
///
/// Threads share a rate: of constant arrivals thread `i` of `n` takes every `n`th, beginning at the `i`th, and the sum of
/// independent Poisson processes is a Poisson process of the summed rate. Holds no clock.
package struct ArrivalSchedule: Sendable {
  private enum Source: Sendable {
    case constant(interval: Double, first: Double)
    case poisson(meanGap: Double)
    case trace(ArrivalTrace, stride: Int)
  }

  private let source: Source
  private var random: SeededRandom
  private var index = 0
  private var elapsed = 0.0
  /// When the next request is due. `.max` after the last of a trace.
  package private(set) var due: UInt64 = 0
  /// Where in the trace the next request is; 0 where there is none.
  package private(set) var position = 0

  /// - Parameters:
  ///   - rate: Requests a second of all threads together, over 0.
  ///   - part: This thread, and how many there are.
  package init(_ process: ArrivalProcess, rate: Double, part: (index: Int, count: Int) = (0, 1), seed: UInt64) {
    precondition(rate > 0 && part.count > part.index, "a rate of \(rate) for thread \(part). This is a bug.")
    let interval = 1e9 / rate
    random = SeededRandom(seed: seed &+ UInt64(part.index) &* 0x5851_F42D_4C95_7F2D)
    switch process {
    case .constant:
      source = .constant(interval: interval * Double(part.count), first: interval * Double(part.index))
    case .poisson:
      source = .poisson(meanGap: interval * Double(part.count))
    }
    index = -1
    advance()
  }

  /// The arrivals of a trace: thread `i` of `n` takes every `n`th.
  package init(_ trace: ArrivalTrace, part: (index: Int, count: Int) = (0, 1)) {
    source = .trace(trace, stride: part.count)
    random = SeededRandom(seed: 0)
    index = part.index - part.count
    advance()
  }

  /// Moves to the next arrival.
  package mutating func advance() {
    switch source {
    case .constant(let interval, let first):
      // From the index, so that rounding does not add up.
      index += 1
      due = UInt64(first + Double(index) * interval)
    case .poisson(let meanGap):
      elapsed += random.exponential(mean: meanGap)
      due = UInt64(elapsed)
    case .trace(let trace, let stride):
      index += stride
      due = index < trace.count ? trace[index].nanoseconds : .max
      position = index < trace.count ? index : 0
    }
  }
}
