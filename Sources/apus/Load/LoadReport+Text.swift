internal import Foundation
internal import LoadTesting

extension LoadReport {
  /// The report for a terminal.
  package var readable: String {
    var parts = [stepTable.text]
    if targets.count > 1, let step = steps.last { parts.append(targetTable(step).text) }
    if let server = serverTable { parts.append(server.text) }
    parts += suspects.compactMap(remarks)
    if let search { parts.append(sentence(search)) }
    return parts.joined(separator: "\n\n")
  }

  /// The step at the rate that a search found.
  var foundStep: StepResult? { search?.rate.flatMap { rate in steps.last { $0.offered == rate } } }

  /// Steps whose warnings matter. A search goes to where requests are late: only the rate that it found is to be above
  /// suspicion.
  var suspects: [StepResult] { search == nil ? steps : foundStep.map { [$0] } ?? steps.suffix(1) }

  var stepTable: TextTable {
    let hasServer = steps.contains { $0.serverCPUNanoseconds != nil }
    var heading = ["LOAD", "ANSWERED/S", "FAILED", "MEAN", "P50", "P90", "P99", "P99.9", "MAX", "SEND LAG P99", "SECONDS", "STABLE"]
    if hasServer { heading += ["SERVER CPU/REQUEST", "SERVER MEMORY"] }
    var table = TextTable(heading)
    for step in steps {
      let latency = step.total.latency
      var row = [step.step.description, Self.number(step.throughput), Self.number(Double(step.total.failed))]
      row.append(Self.time(latency.mean))
      row += [50, 90, 99, 99.9].map { Self.time(Double(latency.value(atPercentile: $0))) }
      row += [Self.time(Double(latency.max))]
      row.append(step.step.isOpenLoop ? Self.time(Double(step.total.sendLag.value(atPercentile: 99))) : "-")
      row += [String(format: "%.1f", step.seconds), step.isStable ? "yes" : "no"]
      if hasServer {
        let requests = Double(max(step.total.answered + step.total.failed, 1))
        row.append(step.serverCPUNanoseconds.map { String(format: "%.2f µs", Double($0) / 1000 / requests) } ?? "-")
        row.append(step.serverResidentBytes.map { Self.bytes(Double($0)) } ?? "-")
      }
      table.append(row)
    }
    return table
  }

  func targetTable(_ step: StepResult) -> TextTable {
    var table = TextTable(["TARGET", "ANSWERED/S", "MEAN", "P50", "P90", "P99", "P99.9", "MAX"])
    for (target, latency) in zip(targets, step.total.targets) {
      var row = [target.name, Self.number(Double(latency.count) / step.seconds), Self.time(latency.mean)]
      row += [50, 90, 99, 99.9].map { Self.time(Double(latency.value(atPercentile: $0))) }
      table.append(row + [Self.time(Double(latency.max))])
    }
    return table
  }

  /// The server's own account, of the last step.
  var serverTable: TextTable? {
    guard let models = steps.last?.serverStatistics, !models.isEmpty else { return nil }
    var table = TextTable([
      "SERVER SAYS", "VERSION", "REQUESTS", "FAILED", "AVERAGE BATCH", "REQUEST", "QUEUE", "INPUT", "COMPUTE", "OUTPUT",
    ])
    for model in models {
      let batch = model.batches > 0 ? String(format: "%.2f", Double(model.rows) / Double(model.batches)) : "-"
      table.append(
        [model.model, model.version, Self.number(Double(model.requests)), Self.number(Double(model.failures)), batch]
          + [model.request, model.queue, model.computeInput, model.computeInfer, model.computeOutput].map(Self.time))
    }
    return table
  }

  func remarks(_ step: StepResult) -> String? {
    var lines: [String] = []
    for (code, count) in step.total.statuses.enumerated() where code > 0 && count > 0 {
      lines.append("  \(Self.number(Double(count))) × \(Self.statusNames[code])")
    }
    let refusal = step.total.refusalLatency
    if refusal.count > 0 {
      let times = [50, 99].map { "p\($0) \(Self.time(Double(refusal.value(atPercentile: $0))))" }
      lines.append("  RESOURCE_EXHAUSTED after \(times.joined(separator: ", "))")
    }
    if step.total.connectionsLost > 0 { lines.append("  \(step.total.connectionsLost) connections lost") }
    lines += step.failures.map { "  \($0)" }
    lines += step.mismatches.map { "  wrong answer: \($0)" }
    lines += ClientLimits.warnings(step).map { "  warning: \($0)" }
    if lines.isEmpty { return nil }
    return (["\(step.step.description):"] + lines).joined(separator: "\n")
  }

  private func sentence(_ search: Search) -> String {
    let bound = "p\(Self.number(search.percentile)) under \(Self.time(Double(search.boundNanoseconds)))"
    guard let rate = search.rate else { return "no rate keeps \(bound): \(search.outcome.text)" }
    return "highest rate that keeps \(bound): \(Self.number(rate))/s (\(search.outcome.text))"
  }

  /// What was compared, in one line.
  package var checkLine: String? {
    let checked = steps.reduce(0) { $0 + $1.total.checked }
    guard checked > 0 else { return nil }
    let mismatched = steps.reduce(0) { $0 + $1.total.mismatched }
    return "\(Self.number(Double(checked))) answers checked, \(Self.number(Double(mismatched))) wrong"
  }
}
