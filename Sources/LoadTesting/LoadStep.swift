package import Arrivals

/// One stretch of a run at one load.
package enum LoadStep: Hashable, Sendable {
  /// Closed loop: so many calls in flight all the time, each followed by the next.
  case concurrency(Int)
  /// Open loop: so many requests a second, whatever comes back.
  case rate(Double, ArrivalProcess)
  /// Open loop: the arrivals of the run's trace.
  case trace

  package var isOpenLoop: Bool { if case .concurrency = self { false } else { true } }

  /// For people: `64 in flight`, `1000/s (Poisson)`.
  package var description: String {
    switch self {
    case .concurrency(let count): "\(count) in flight"
    case .rate(let rate, .constant): "\(Self.text(rate))/s, evenly spaced"
    case .rate(let rate, .poisson): "\(Self.text(rate))/s, Poisson"
    case .rate(let rate, .bursts): "\(Self.text(rate))/s, in bursts"
    case .rate(let rate, .diurnal): "\(Self.text(rate))/s, up and down"
    case .trace: "recorded arrivals"
    }
  }

  private static func text(_ rate: Double) -> String {
    rate == rate.rounded() && abs(rate) < 1e15 ? "\(Int(rate))" : "\((rate * 100).rounded() / 100)"
  }
}

/// A load, or a range of loads that a run climbs in equal steps: `1000` or `1000..50000`.
package struct LoadRange: Hashable, Sendable {
  package var first: Double
  package var last: Double

  package init(first: Double, last: Double) { (self.first, self.last) = (first, last) }

  /// Nil if `text` is neither a positive number nor two with `..` between them, in any order.
  package init?(_ text: String) {
    var parts: [Substring] = []
    if let dots = text.firstRange(of: "..") {
      parts = [text[..<dots.lowerBound], text[dots.upperBound...]]
    } else {
      parts = [text[...]]
    }
    let numbers = parts.compactMap { Double($0) }
    guard numbers.count == parts.count, numbers.allSatisfy({ $0 > 0 && $0 <= 1e9 }) else { return nil }
    self.init(first: numbers[0], last: numbers[numbers.count - 1])
  }

  package var isOne: Bool { first == last }

  /// The loads in turn, the ends included.
  ///
  /// - Parameter count: At least 1; one alone is the first.
  package func steps(_ count: Int) -> [Double] {
    guard !isOne, count > 1 else { return [first] }
    return (0..<count).map { first + (last - first) * Double($0) / Double(count - 1) }
  }
}
