/// How far the elements of an output differ between live and shadow: running figures of constant size.
///
/// Mean and spread by Welford's method, which loses no precision over billions of elements. Differences are
/// `shadow - live`.
package struct DifferenceStatistics: Hashable, Sendable, Codable {
  /// Element pairs compared, all kinds.
  package private(set) var elements: UInt64 = 0
  /// Pairs that differ by more than the tolerance; unequal integers; and those of the next two.
  package private(set) var beyondTolerance: UInt64 = 0
  /// One is NaN and the other is not. (Two NaNs are equal.)
  package private(set) var nanMismatches: UInt64 = 0
  /// One is infinite and the other is not the same infinity.
  package private(set) var infinityMismatches: UInt64 = 0
  package private(set) var maxAbsolute = 0.0
  /// Mean of the differences' sizes, over the pairs whose difference is a number.
  package private(set) var meanAbsolute = 0.0
  /// Mean of the differences: a bias of the shadow if it isn't about zero.
  package private(set) var meanDifference = 0.0
  private var numbers: UInt64 = 0
  /// Sum of squares about the mean.
  private var squares = 0.0

  package init() {}

  /// Root mean square of the differences.
  package var rootMeanSquare: Double {
    numbers == 0 ? 0 : (squares / Double(numbers) + meanDifference * meanDifference).squareRoot()
  }

  package var shareBeyondTolerance: Double { elements == 0 ? 0 : Double(beyondTolerance) / Double(elements) }

  /// Takes in one pair of floating-point elements.
  mutating func add(live: Double, shadow: Double, tolerance: Tolerance) {
    guard live.isFinite, shadow.isFinite else {
      elements += 1
      if live.isNaN != shadow.isNaN {
        nanMismatches += 1
        beyondTolerance += 1
      } else if !live.isNaN, live != shadow {
        infinityMismatches += 1
        beyondTolerance += 1
      }
      return
    }
    add(difference: shadow - live, isBeyond: !tolerance.allows(live: live, shadow: shadow))
  }

  /// Takes in one difference that is a number.
  mutating func add(difference: Double, isBeyond: Bool) {
    elements += 1
    if isBeyond { beyondTolerance += 1 }
    numbers += 1
    let size = abs(difference)
    if size > maxAbsolute { maxAbsolute = size }
    let count = Double(numbers)
    meanAbsolute += (size - meanAbsolute) / count
    let off = difference - meanDifference
    meanDifference += off / count
    squares += off * (difference - meanDifference)
  }

  /// Takes in one pair of BYTES elements, which are the same or are not; there is no difference to measure.
  mutating func addString(isEqual: Bool) {
    elements += 1
    if !isEqual { beyondTolerance += 1 }
  }

  /// Takes in the figures of more pairs, as if each had been added. (Chan, Golub and LeVeque, 1979.)
  mutating func add(_ other: DifferenceStatistics) {
    elements += other.elements
    beyondTolerance += other.beyondTolerance
    nanMismatches += other.nanMismatches
    infinityMismatches += other.infinityMismatches
    maxAbsolute = max(maxAbsolute, other.maxAbsolute)
    guard other.numbers > 0 else { return }
    let here = Double(numbers)
    let there = Double(other.numbers)
    let all = here + there
    let off = other.meanDifference - meanDifference
    meanAbsolute += (other.meanAbsolute - meanAbsolute) * there / all
    meanDifference += off * there / all
    squares += other.squares + off * off * here * there / all
    numbers += other.numbers
  }
}

/// How far two floating-point elements may be apart and still count as the same.
package struct Tolerance: Hashable, Sendable, Codable {
  package var absolute: Double
  /// In parts of the live element's size.
  package var relative: Double

  package init(absolute: Double = 1e-5, relative: Double = 1e-3) {
    self.absolute = absolute
    self.relative = relative
  }

  func allows(live: Double, shadow: Double) -> Bool {
    abs(shadow - live) <= absolute + relative * abs(live)
  }
}
