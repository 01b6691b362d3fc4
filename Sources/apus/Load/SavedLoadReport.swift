internal import Foundation

/// The part of a report in JSON that another one is compared with.
package struct SavedLoadReport: Sendable {
  package struct Step: Sendable {
    /// For people, and to tell steps of one load from those of another.
    package var load: String
    /// By the name of the member, a value a window; windows without one are left out.
    package var metrics: [String: [Double]]
  }

  package var steps: [Step]
  package var targets: [String]
  package var faults: [String]

  /// - Throws: `UsageError` for a file that is no report.
  init(at path: String) throws(UsageError) {
    try self.init(
      JSONValue(parsing: String(decoding: try LoadInputs.content(path), as: UTF8.self), from: path), from: path)
  }

  /// - Throws: `UsageError` with the member that is missing or wrong.
  package init(_ json: JSONValue, from source: String) throws(UsageError) {
    let root = JSONReader(json, at: source)
    guard case .string(LoadReport.format) = try root.required("format").value else {
      throw UsageError("\(source) is no report of `apus load` that this version reads (\(LoadReport.format))")
    }
    steps = []
    for step in try root.list("steps") {
      var metrics: [String: [Double]] = [:]
      for window in try step.list("windows") {
        guard case .object(let members) = window.value else {
          throw UsageError("\(window.path): expected an object, found \(window.value.kind)")
        }
        for (name, value) in members {
          if let number = value.number { metrics[name, default: []].append(number) }
        }
        if let answered = members["answered"]?.number, let failed = members["failed"]?.number, answered + failed > 0 {
          metrics["failed_share", default: []].append(100 * failed / (answered + failed))
        }
      }
      steps.append(Step(load: SavedLoadReport.text(try step.required("load")), metrics: metrics))
    }
    targets = []
    for target in try root.list("targets") { targets.append(try target.string("name")) }
    faults = []
    for fault in try root.list("faults") {
      if case .string(let text) = fault.value { faults.append(text) }
    }
  }

  private static func text(_ load: JSONReader) -> String {
    let value = load.member("value")?.value.number.map { LoadReport.number($0) }
    switch load.member("kind")?.value {
    case .string("concurrency"): return "\(value ?? "?") in flight"
    case .string("rate"):
      if case .string(let arrivals)? = load.member("arrivals")?.value { return "\(value ?? "?")/s, \(arrivals)" }
      return "\(value ?? "?")/s"
    case .string(let kind): return kind
    default: return "?"
    }
  }
}

extension JSONValue {
  fileprivate var number: Double? {
    switch self {
    case .int(let value): Double(value)
    case .uint(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }
}
