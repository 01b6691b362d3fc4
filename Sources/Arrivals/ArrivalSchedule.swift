internal import Glibc

/// When requests arrive in an open loop: instants that nobody's answer decides. All have the same rate on average.
package enum ArrivalProcess: Hashable, Sendable {
  /// Evenly spaced.
  case constant
  /// As independent callers come: the gaps are exponentially distributed.
  case poisson
  /// Poisson arrivals whose rate jumps between a quiet one and `factor` times that. Each stays for `seconds` on average,
  /// exponentially distributed.
  case bursts(factor: Double, seconds: Double)
  /// Poisson arrivals whose rate swings like a sine, `depth` of its mean up and down, in a period of `seconds`.
  case diurnal(depth: Double, seconds: Double)
}

/// The arrivals of one thread, as nanoseconds since the start of the step.
///
/// Threads share a rate: of constant arrivals thread `i` of `n` takes every `n`th, beginning at the `i`th, and the sum of
/// independent Poisson processes is a Poisson process of the summed rate. Holds no clock.
package struct ArrivalSchedule: Sendable {
  private enum Source: Sendable {
    case constant(interval: Double, first: Double)
    case poisson(meanGap: Double)
    case bursts(quietGap: Double, burstGap: Double, meanPhase: Double)
    case diurnal(leastGap: Double, depth: Double, period: Double)
    case trace(ArrivalTrace, stride: Int)
  }

  private let source: Source
  private var random: SeededRandom
  private var index = 0
  private var elapsed = 0.0
  private var isBurst = true
  private var phaseEnd = 0.0
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
    case .bursts(let factor, let seconds):
      precondition(factor >= 1 && seconds > 0, "bursts of \(factor) for \(seconds) s. This is a bug.")
      let quietGap = interval * Double(part.count) * (1 + factor) / 2
      source = .bursts(quietGap: quietGap, burstGap: quietGap / factor, meanPhase: seconds * 1e9)
    case .diurnal(let depth, let seconds):
      precondition((0...1).contains(depth) && seconds > 0, "a swing of \(depth) in \(seconds) s. This is a bug.")
      source = .diurnal(leastGap: interval * Double(part.count) / (1 + depth), depth: depth, period: seconds * 1e9)
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
    case .bursts(let quietGap, let burstGap, let meanPhase):
      // What is left of a gap when the phase ends is drawn anew: exponential waits have no memory.
      while true {
        let next = elapsed + random.exponential(mean: isBurst ? burstGap : quietGap)
        if next < phaseEnd {
          elapsed = next
          break
        }
        elapsed = phaseEnd
        phaseEnd += random.exponential(mean: meanPhase)
        isBurst.toggle()
      }
      due = UInt64(elapsed)
    case .diurnal(let leastGap, let depth, let period):
      // Thinning: arrivals at the highest rate, kept with the chance that the present one has of it.
      repeat {
        elapsed += random.exponential(mean: leastGap)
      } while random.unit() * (1 + depth) > 1 + depth * sin(2 * Double.pi * elapsed / period)
      due = UInt64(elapsed)
    case .trace(let trace, let stride):
      index += stride
      due = index < trace.count ? trace[index].nanoseconds : .max
      position = index < trace.count ? index : 0
    }
  }
}
