/// How long one instance works on a batch, by its rows: what was measured, and between and beyond it a reasonable guess.
///
/// Points are means of runs, each with the number of runs behind it. Where they contradict each other (more rows in less
/// time, which is noise), neighbours are averaged until they don't: the curve never falls. Between two points it is a line.
/// Below the first and beyond the last it goes on as the least-squares line through all points does; a single point says
/// nothing of the rows' share, so then rows cost in proportion beyond it, and fewer cost no less than it.
///
/// Source: pool-adjacent-violators for the monotone part (Ayer et al., 1955).
package struct CostCurve: Hashable, Sendable {
  package struct Point: Hashable, Sendable {
    /// Rows of the batch, at least 1.
    package var rows: Int
    /// How long such a batch takes on average.
    package var nanoseconds: Double
    /// Runs that the average is of, or their weight; over 0.
    package var weight: Double

    package init(rows: Int, nanoseconds: Double, weight: Double = 1) {
      self.rows = rows
      self.nanoseconds = nanoseconds
      self.weight = weight
    }
  }

  /// Ascending by rows, and never falling.
  package let points: [Point]
  /// The line through the points: nanoseconds that a batch costs, and that each row adds.
  package let fixed: Double
  package let perRow: Double

  /// - Parameter measured: At least one point, in any order; several of the same rows count together.
  package init(_ measured: [Point]) {
    precondition(
      !measured.isEmpty && measured.allSatisfy { $0.rows >= 1 && $0.nanoseconds >= 0 && $0.weight > 0 },
      "A cost needs points of at least a row and a run. This is a bug.")
    var sums: [Int: (nanoseconds: Double, weight: Double)] = [:]
    for point in measured {
      let sum = sums[point.rows] ?? (0, 0)
      sums[point.rows] = (sum.nanoseconds + point.nanoseconds * point.weight, sum.weight + point.weight)
    }
    let means = sums.keys.sorted().map { rows in
      Point(rows: rows, nanoseconds: sums[rows]!.nanoseconds / sums[rows]!.weight, weight: sums[rows]!.weight)
    }
    points = CostCurve.risen(means)
    (fixed, perRow) = CostCurve.line(through: points)
  }

  /// How long a batch of so many rows takes.
  package func nanoseconds(rows: Int) -> Double {
    var (low, high) = (0, points.count)  // the first point with more rows is in low...high
    while low < high {
      let middle = (low + high) / 2
      if points[middle].rows > rows { high = middle } else { low = middle + 1 }
    }
    guard low > 0 else {
      // Below the first point, and never over it.
      return max(points[0].nanoseconds - perRowBelow * Double(points[0].rows - rows), 0)
    }
    let before = points[low - 1]
    guard low < points.count else { return before.nanoseconds + perRowBeyond * Double(rows - before.rows) }
    let share = Double(rows - before.rows) / Double(points[low].rows - before.rows)
    return before.nanoseconds + share * (points[low].nanoseconds - before.nanoseconds)
  }

  /// Most rows a second that one instance works off with batches of up to so many rows, and the rows of such a batch.
  package func bestRate(maxRows: Int) -> (rowsPerSecond: Double, rows: Int) {
    var best = (rowsPerSecond: 0.0, rows: 1)
    for rows in candidates(upTo: maxRows) {
      let rate = Double(rows) * 1e9 / max(nanoseconds(rows: rows), 1)
      if rate > best.rowsPerSecond { best = (rate, rows) }
    }
    return best
  }

  /// Between two points the rate rises or falls throughout, so its greatest value is at a point or at an end.
  private func candidates(upTo maxRows: Int) -> [Int] {
    Set(points.map(\.rows).filter { $0 <= maxRows } + [1, maxRows]).sorted()
  }

  private var perRowBelow: Double { points.count > 1 ? perRow : 0 }
  private var perRowBeyond: Double {
    points.count > 1 ? perRow : points[0].nanoseconds / Double(points[0].rows)
  }

  /// Averages neighbours that fall until none does.
  private static func risen(_ means: [Point]) -> [Point] {
    var blocks: [(nanoseconds: Double, weight: Double, count: Int)] = []
    for mean in means {
      var block = (nanoseconds: mean.nanoseconds, weight: mean.weight, count: 1)
      while let last = blocks.last, last.nanoseconds > block.nanoseconds {
        let weight = last.weight + block.weight
        block = (
          (last.nanoseconds * last.weight + block.nanoseconds * block.weight) / weight, weight, last.count + block.count
        )
        blocks.removeLast()
      }
      blocks.append(block)
    }
    var risen = means
    var index = 0
    for block in blocks {
      for _ in 0..<block.count {
        risen[index].nanoseconds = block.nanoseconds
        index += 1
      }
    }
    return risen
  }

  /// Neither part of it is less than zero.
  private static func line(through points: [Point]) -> (fixed: Double, perRow: Double) {
    let weight = points.reduce(0) { $0 + $1.weight }
    let rows = points.reduce(0) { $0 + $1.weight * Double($1.rows) } / weight
    let nanoseconds = points.reduce(0) { $0 + $1.weight * $1.nanoseconds } / weight
    var (spread, slope) = (0.0, 0.0)
    for point in points {
      spread += point.weight * (Double(point.rows) - rows) * (Double(point.rows) - rows)
      slope += point.weight * (Double(point.rows) - rows) * (point.nanoseconds - nanoseconds)
    }
    guard spread > 0 else { return (nanoseconds, 0) }
    slope = min(max(slope / spread, 0), nanoseconds / rows)
    return (nanoseconds - slope * rows, slope)
  }
}
