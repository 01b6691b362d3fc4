import Batching
import Testing

private func curve(_ points: (Int, Double, Double)...) -> CostCurve {
  CostCurve(points.map { .init(rows: $0.0, nanoseconds: $0.1, weight: $0.2) })
}

@Test func `between two points a cost is on their line`() {
  let cost = curve((8, 900, 1), (2, 300, 1))
  #expect(cost.nanoseconds(rows: 2) == 300)
  #expect(cost.nanoseconds(rows: 5) == 600)
  #expect(cost.nanoseconds(rows: 8) == 900)
}

@Test func `beyond the points a cost goes on as the line through all of them`() {
  let cost = curve((2, 300, 1), (8, 900, 1))
  #expect(cost.perRow == 100 && cost.fixed == 100)
  #expect(cost.nanoseconds(rows: 1) == 200)
  #expect(cost.nanoseconds(rows: 12) == 1300)
}

@Test func `a single point says nothing of the share of its rows`() {
  let cost = curve((4, 400, 1))
  #expect(cost.nanoseconds(rows: 1) == 400)
  #expect(cost.nanoseconds(rows: 8) == 800)
}

@Test func `points that fall are averaged by their weight`() {
  let cost = curve((1, 100, 1), (2, 400, 3), (3, 200, 1), (4, 500, 1))
  #expect(cost.points.map(\.nanoseconds) == [100, 350, 350, 500])
}

@Test func `points of the same size count together`() {
  #expect(curve((2, 100, 1), (2, 400, 2)).points == [.init(rows: 2, nanoseconds: 300, weight: 3)])
}

@Test func `a cost is never less than nothing`() {
  let cost = curve((10, 10, 1), (11, 1000, 1))
  #expect(cost.nanoseconds(rows: 1) >= 0)
  #expect(cost.fixed >= 0)
}

@Test func `the best rate is that of the size with most rows a second`() {
  // From 4 to 5 rows the cost doubles: 4 rows are best until 8 are allowed.
  let cost = curve((1, 1000, 1), (4, 1000, 1), (5, 2000, 1), (8, 2000, 1))
  #expect(cost.bestRate(maxRows: 6).rows == 4)
  #expect(cost.bestRate(maxRows: 8).rows == 4 || cost.bestRate(maxRows: 8).rows == 8)
  #expect(cost.bestRate(maxRows: 8).rowsPerSecond == 4e6)
  #expect(cost.bestRate(maxRows: 1).rowsPerSecond == 1e6)
}

/// Random points, in random order: the curve rises, and is within what was measured where it was measured.
@Test(arguments: 0..<50) func `a curve never falls`(seed: UInt64) {
  var random = SeededGenerator(state: seed)
  let points = (0..<Int.random(in: 1...12, using: &random)).map { _ in
    CostCurve.Point(
      rows: Int.random(in: 1...64, using: &random), nanoseconds: Double.random(in: 0...1e6, using: &random),
      weight: Double.random(in: 0.1...100, using: &random))
  }
  let cost = CostCurve(points)
  let (least, most) = (points.map(\.nanoseconds).min()!, points.map(\.nanoseconds).max()!)
  var last = 0.0
  for rows in 1...100 {
    let nanoseconds = cost.nanoseconds(rows: rows)
    #expect(nanoseconds >= last - 1e-6)
    if cost.points.contains(where: { $0.rows == rows }) { #expect((least - 1e-6...most + 1e-6).contains(nanoseconds)) }
    last = nanoseconds
  }
}
