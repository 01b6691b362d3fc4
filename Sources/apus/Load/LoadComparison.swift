internal import Foundation
internal import LoadTesting

/// Two reports beside each other.
struct LoadComparison {
  struct Step {
    var load: String
    var lines: [Comparison.Line]
  }

  private static let metrics: [(member: String, name: String, unit: String, lowerIsBetter: Bool)] = [
    ("throughput_per_second", "answered a second", "", false), ("failed_share", "failed", "%", true),
    ("mean_ms", "mean", "ms", true), ("p50_ms", "p50", "ms", true), ("p90_ms", "p90", "ms", true),
    ("p99_ms", "p99", "ms", true), ("server_cpu_us_per_request", "server CPU a request", "µs", true),
  ]

  let steps: [Step]
  /// What makes the comparison doubtful.
  let remarks: [String]

  init(before: SavedLoadReport, after: SavedLoadReport, comparison: Comparison) {
    var remarks: [String] = []
    if before.targets != after.targets {
      remarks.append(
        "the targets differ: \(before.targets.joined(separator: ", ")) and \(after.targets.joined(separator: ", "))")
    }
    for (name, report) in [("before", before), ("after", after)] {
      remarks += report.faults.map { "the run \(name) failed: \($0)" }
    }
    if before.steps.count != after.steps.count {
      remarks.append("the runs have \(before.steps.count) and \(after.steps.count) steps; the rest is left out")
    }
    steps = zip(before.steps, after.steps).map { before, after in
      if before.load != after.load { remarks.append("the loads differ: \(before.load) and \(after.load)") }
      let lines = LoadComparison.metrics.compactMap { metric -> Comparison.Line? in
        guard let old = before.metrics[metric.member], let new = after.metrics[metric.member] else { return nil }
        if metric.member == "failed_share", old.allSatisfy({ $0 == 0 }), new.allSatisfy({ $0 == 0 }) { return nil }
        return comparison.judge(
          Comparison.Metric(metric.name, unit: metric.unit, lowerIsBetter: metric.lowerIsBetter, before: old, after: new))
      }
      return Step(load: before.load, lines: lines)
    }
    self.remarks = remarks
  }

  var hasRegression: Bool { steps.contains { $0.lines.contains { $0.verdict == .worse } } }

  var readable: String {
    var table = TextTable(["LOAD", "METRIC", "BEFORE", "AFTER", "CHANGE", "P", "VERDICT"])
    for step in steps {
      for line in step.lines {
        table.append([
          step.load, line.metric.name, text(line.before, line.metric.unit), text(line.after, line.metric.unit),
          String(format: "%+.1f %%", 100 * line.change), String(format: line.pValue < 0.001 ? "%.0e" : "%.3f", line.pValue),
          line.verdict == .unknown ? "too few windows" : line.verdict.rawValue,
        ])
      }
    }
    return table.text
  }

  private func text(_ value: Double, _ unit: String) -> String {
    let number = unit.isEmpty ? LoadReport.number(value) : String(format: "%.3f", value)
    return unit.isEmpty ? number : "\(number) \(unit)"
  }

  var json: JSONValue {
    .object([
      "regression": .bool(hasRegression), "remarks": .array(remarks.map { .string($0) }),
      "steps": .array(
        steps.map { step in
          .object([
            "load": .string(step.load),
            "metrics": .array(
              step.lines.map { line in
                .object([
                  "name": .string(line.metric.name), "unit": .string(line.metric.unit), "before": .double(line.before),
                  "after": .double(line.after), "p": .double(line.pValue), "verdict": .string(line.verdict.rawValue),
                ])
              }),
          ])
        }),
    ])
  }
}
