package import Arrivals

/// Draws indices in proportion to weights, in constant time.
///
/// Source: Walker's alias method with Vose's set-up ("A linear algorithm for generating random numbers with a given
/// distribution", 1991).
package struct WeightedChoice: Sendable {
  private var keep: [Double]
  private var alias: [Int]

  /// - Parameter weights: Not empty, none below 0, and their sum over 0.
  package init(_ weights: [Double]) {
    let sum = weights.reduce(0, +)
    precondition(sum > 0 && weights.allSatisfy { $0 >= 0 }, "weights \(weights). This is a bug.")
    var scaled = weights.map { $0 * Double(weights.count) / sum }
    keep = Array(repeating: 1, count: weights.count)
    alias = Array(weights.indices)
    var small = scaled.indices.filter { scaled[$0] < 1 }
    var large = scaled.indices.filter { scaled[$0] >= 1 }
    while let low = small.popLast(), let high = large.last {
      keep[low] = scaled[low]
      alias[low] = high
      scaled[high] -= 1 - scaled[low]
      if scaled[high] < 1 { small.append(large.removeLast()) }
    }
  }

  @inline(__always)
  package func draw(_ random: inout SeededRandom) -> Int {
    if keep.count == 1 { return 0 }
    let bits = random.next()
    let index = Int(((bits >> 32) &* UInt64(keep.count)) >> 32)
    return Double(bits & 0xFFFF_FFFF) * 0x1p-32 < keep[index] ? index : alias[index]
  }
}
