package import Batching
internal import Glibc

/// What a pool's counters say of its load: the cost of a batch by its rows, and how many requests come. The past fades.
package struct LoadEstimate: Sendable {
  /// Runs of batches with so many rows, since the pool was made.
  package struct Runs: Hashable, Sendable {
    package var rows: Int
    package var count: UInt64
    package var nanoseconds: UInt64

    package init(rows: Int, count: UInt64, nanoseconds: UInt64) {
      self.rows = rows
      self.count = count
      self.nanoseconds = nanoseconds
    }
  }

  /// Runs of one size count half after so many more of that size.
  private static let memory = 500.0
  /// Time after which a rate of requests counts half.
  private static let halfLifeSeconds = 5.0

  private var last: (runs: [Int: Runs], requests: UInt64, rows: UInt64, nanoseconds: UInt64)?
  private var points: [Int: CostCurve.Point] = [:]
  /// Runs that were ever noted.
  package private(set) var runs: UInt64 = 0
  /// Requests a second; nil before the second look.
  package private(set) var requestsPerSecond: Double?
  /// Instances that are busy at a time, on average.
  package private(set) var busyInstances = 0.0
  /// Rows of a request, on average.
  package private(set) var rowsPerRequest = 1.0

  package init() {}

  /// Takes the pool's counters as they are at an instant.
  ///
  /// - Parameters:
  ///   - requests: Requests that came, whatever became of them.
  ///   - answered: Those that were answered, and their rows.
  package mutating func observe(
    _ runs: [Runs], requests: UInt64, answered: (requests: UInt64, rows: UInt64), at nanoseconds: UInt64
  ) {
    let now = Dictionary(runs.map { ($0.rows, $0) }, uniquingKeysWith: { first, _ in first })
    defer { last = (now, requests, answered.rows, nanoseconds) }
    var busyNanoseconds: UInt64 = 0
    for run in runs {
      let before = last?.runs[run.rows]
      // Counters only go back where the pool is another one: then all of it is new.
      let isOlder = before.map { $0.count <= run.count && $0.nanoseconds <= run.nanoseconds } ?? false
      let spent = run.nanoseconds - (isOlder ? before!.nanoseconds : 0)
      note(rows: run.rows, count: run.count - (isOlder ? before!.count : 0), nanoseconds: spent)
      busyNanoseconds += spent
    }
    if answered.requests > 0 { rowsPerRequest = Double(answered.rows) / Double(answered.requests) }
    guard let last, nanoseconds > last.nanoseconds, requests >= last.requests else { return }
    let seconds = Double(nanoseconds - last.nanoseconds) / 1e9
    let rate = Double(requests - last.requests) / seconds
    let share = 1 - exp2(-seconds / LoadEstimate.halfLifeSeconds)
    let isFirst = requestsPerSecond == nil
    requestsPerSecond = requestsPerSecond.map { $0 + share * (rate - $0) } ?? rate
    busyInstances += (isFirst ? 1 : share) * (Double(busyNanoseconds) / 1e9 / seconds - busyInstances)
  }

  private mutating func note(rows: Int, count: UInt64, nanoseconds: UInt64) {
    guard count > 0, rows >= 1 else { return }
    runs += count
    let mean = Double(nanoseconds) / Double(count)
    guard let known = points[rows] else {
      points[rows] = .init(rows: rows, nanoseconds: mean, weight: Double(count))
      return
    }
    let old = min(known.weight, LoadEstimate.memory)
    let weight = old + Double(count)
    points[rows] = .init(
      rows: rows, nanoseconds: (known.nanoseconds * old + mean * Double(count)) / weight, weight: weight)
  }

  /// The cost of a batch; nil before one ran.
  package var cost: CostCurve? { points.isEmpty ? nil : CostCurve(Array(points.values)) }
}
