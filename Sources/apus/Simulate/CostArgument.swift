internal import ApusClient
internal import Batching
internal import Foundation

/// Where `apus simulate` has the cost of a batch from.
enum CostArgument {
  static let form = "expected ROWS=TIME,…, such as 1=3.2ms,8=12ms, or @FILE"

  /// `1=3.2ms,8=12ms`, or `@FILE` with lines of `rows,milliseconds[,runs]`.
  static func curve(_ text: String) throws(UsageError) -> CostCurve {
    guard !text.hasPrefix("@") else { return try curve(inFile: String(text.dropFirst())) }
    var points: [CostCurve.Point] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let sides = part.split(separator: "=", omittingEmptySubsequences: false)
      guard sides.count == 2, let rows = Int(sides[0]), rows >= 1, let nanoseconds = time(sides[1]) else {
        throw UsageError("--cost '\(part)': \(form)")
      }
      points.append(CostCurve.Point(rows: rows, nanoseconds: nanoseconds))
    }
    return CostCurve(points)
  }

  /// A number with one of the units `us`, `ms` and `s`, in nanoseconds.
  private static func time(_ text: Substring) -> Double? {
    for (unit, nanoseconds) in [("us", 1e3), ("ms", 1e6), ("s", 1e9)] where text.hasSuffix(unit) {
      guard let number = Double(text.dropLast(unit.count)), number >= 0, number.isFinite else { return nil }
      return number * nanoseconds
    }
    return nil
  }

  private static func curve(inFile path: String) throws(UsageError) -> CostCurve {
    guard let content = FileManager.default.contents(atPath: path) else { throw UsageError("can't read \(path)") }
    var points: [CostCurve.Point] = []
    for (index, line) in String(decoding: content, as: UTF8.self).split(
      omittingEmptySubsequences: false, whereSeparator: \.isNewline
    ).enumerated() {
      if line.isEmpty || line.first == "#" || line.first?.isLetter == true { continue }
      let columns = line.split(separator: ",", omittingEmptySubsequences: false)
      guard (2...3).contains(columns.count), let rows = Int(columns[0]), rows >= 1, let milliseconds = Double(columns[1]),
        milliseconds >= 0, milliseconds.isFinite, let runs = columns.count == 3 ? Double(columns[2]) : 1, runs > 0
      else { throw UsageError("\(path), line \(index + 1): expected rows,milliseconds[,runs], found '\(line)'") }
      points.append(CostCurve.Point(rows: rows, nanoseconds: milliseconds * 1e6, weight: runs))
    }
    guard !points.isEmpty else { throw UsageError("\(path) has no costs: expected lines of rows,milliseconds[,runs]") }
    return CostCurve(points)
  }

  /// What a server has measured since it loaded the model, by the sizes of the batches that ran.
  static func curve(measured statistics: ModelStatistics) throws(UsageError) -> CostCurve {
    let points = statistics.batches.filter { $0.key > 0 && $0.value.count > 0 }.map { size, total in
      CostCurve.Point(
        rows: Int(size), nanoseconds: Double(total.nanoseconds) / Double(total.count), weight: Double(total.count))
    }
    guard !points.isEmpty else {
      throw UsageError("model '\(statistics.name)' has run no batch yet: send it some load first, as apus load does")
    }
    return CostCurve(points)
  }

  /// In the form that `@FILE` reads.
  static func text(of curve: CostCurve) -> String {
    "rows,milliseconds,runs\n"
      + curve.points.map { "\($0.rows),\(String(format: "%.6f", $0.nanoseconds / 1e6)),\(Int($0.weight))\n" }.joined()
  }
}
