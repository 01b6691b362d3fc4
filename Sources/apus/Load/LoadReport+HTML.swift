internal import Foundation
internal import LoadTesting

extension LoadReport {
  /// A page of its own: tables and charts, nothing loaded from anywhere, in the reader's light or dark colours.
  package var html: String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Load test of \(escaped(address))</title>
    <style>\(LoadReport.style)</style>
    </head>
    <body>
    <header>
    <h1>Load test</h1>
    <p>\(escaped(headline))</p>
    </header>
    \(verdict)
    \(tiles)
    <main>
    \(charts.joined(separator: "\n"))
    </main>
    \(sections.joined(separator: "\n"))
    <footer>\(escaped(footer))</footer>
    </body>
    </html>

    """
  }

  private var headline: String {
    let names = targets.map(\.name).joined(separator: ", ")
    return "\(names) at \(address)\(server.isEmpty ? "" : " (\(server))"), \(ISO8601DateFormatter().string(from: started))"
  }

  private var footer: String {
    "apus load \(apusVersion): \(threads) threads, \(connections) connections, at most \(streams) calls in flight on each, "
      + "seed \(seed). Open-loop latency counts from when a request was due, not from when it was sent."
  }

  private var verdict: String {
    let warnings = suspects.flatMap { step in ClientLimits.warnings(step).map { "\(step.step.description): \($0)" } }
    let lines =
      faults.map { "<p class=\"fault\">\(escaped($0))</p>" } + warnings.map { "<p class=\"warning\">\(escaped($0))</p>" }
    return lines.joined(separator: "\n")
  }

  private var tiles: String {
    guard let step = foundStep ?? steps.max(by: { $0.throughput < $1.throughput }) else { return "" }
    var tiles = [
      (steps.count == 1 || search != nil ? "answered a second" : "most answered a second", Self.number(step.throughput)),
      ("median", Self.time(Double(step.total.latency.value(atPercentile: 50)))),
      ("p99", Self.time(Double(step.total.latency.value(atPercentile: 99)))),
      ("failed", Self.number(Double(steps.reduce(0) { $0 + $1.total.failed }))),
    ]
    if let rate = search?.rate, let search {
      tiles.insert(("highest rate, p\(Self.number(search.percentile)) under \(Self.time(Double(search.boundNanoseconds)))", Self.number(rate)), at: 0)
    }
    let checked = steps.reduce(0) { $0 + $1.total.checked }
    if checked > 0 {
      tiles.append(("wrong of \(Self.number(Double(checked))) checked", Self.number(Double(steps.reduce(0) { $0 + $1.total.mismatched }))))
    }
    return "<div class=\"tiles\">"
      + tiles.map { "<div><b>\(escaped($0.1))</b><span>\(escaped($0.0))</span></div>" }.joined() + "</div>"
  }

  // MARK: Charts

  private var charts: [String] {
    var charts = [card("Latency by percentile", distribution)]
    if steps.count > 1 { charts.append(card("Rate and latency", rateAgainstLatency)) }
    charts.append(card("Throughput over time", throughputOverTime))
    charts.append(card("Latency over time", latencyOverTime))
    return charts
  }

  private func card(_ title: String, _ chart: LineChart) -> String {
    let svg = chart.svg
    return svg.isEmpty
      ? "" : "<section class=\"card\"><h2>\(escaped(title))</h2>\(chart.legend)\(svg)</section>"
  }

  /// Milliseconds as an axis names them: `200 µs`, `1 ms`, `2 s`.
  private static func milliseconds(_ value: Double) -> String {
    switch value {
    case ..<0.999: "\(number(value * 1000)) µs"
    case ..<999.9: "\(number(value)) ms"
    default: "\(number(value / 1000)) s"
    }
  }

  /// At most six steps have a line each: the first, the last, and those between at even distances.
  private var distribution: LineChart {
    let count = min(steps.count, 6)
    let chosen = (0..<count).map { count == 1 ? 0 : $0 * (steps.count - 1) / (count - 1) }
    let series = chosen.enumerated().map { color, index in
      LineChart.Series(
        name: steps[index].step.description,
        points: steps[index].total.latency.distribution().filter { $0.percentile < 100 }.map {
          (x: $0.percentile, y: Double($0.nanoseconds) / 1e6)
        }, color: color)
    }
    return LineChart(
      x: .init(title: "percentile of the answers", scale: .nines) { LoadReport.percentile($0) },
      y: .init(title: "latency", scale: .logarithmic, label: Self.milliseconds), series: series)
  }

  /// The whole number of nines that an axis names.
  private static func percentile(_ value: Double) -> String {
    var text = String(format: "%.3f", value)
    while text.last == "0" { text.removeLast() }
    if text.last == "." { text.removeLast() }
    return text + " %"
  }

  private var rateAgainstLatency: LineChart {
    func rate(_ step: StepResult) -> Double { step.offered ?? step.throughput }
    let ordered = steps.filter { $0.total.answered > 0 }.sorted { rate($0) < rate($1) }
    let series = [50.0, 90, 99].enumerated().map { color, percentile in
      LineChart.Series(
        name: "p\(Self.number(percentile))",
        points: ordered.map { (rate($0), Double($0.total.latency.value(atPercentile: percentile)) / 1e6) },
        color: color, hasMarks: true)
    }
    return LineChart(
      x: .init(
        title: steps.allSatisfy { $0.offered != nil } ? "requests a second" : "answered a second", scale: .linear,
        label: Self.number),
      y: .init(title: "latency", scale: .logarithmic, label: Self.milliseconds), series: series)
  }

  /// Every window of every step, one after the other.
  private var timeline: [(seconds: Double, window: WindowSample)] {
    var begin = 0.0
    var line: [(seconds: Double, window: WindowSample)] = []
    for step in steps {
      line += step.windows.map { (begin + $0.startSeconds + $0.seconds, $0) }
      begin += step.seconds
    }
    return line
  }

  private var throughputOverTime: LineChart {
    let line = timeline
    var series = [
      LineChart.Series(name: "answered", points: line.map { ($0.seconds, $0.window.throughput) }, color: 0, hasMarks: true)
    ]
    if line.contains(where: { $0.window.failed > 0 }) {
      series.append(
        LineChart.Series(
          name: "failed", points: line.map { ($0.seconds, Double($0.window.failed) / $0.window.seconds) }, color: 5,
          hasMarks: true))
    }
    return LineChart(
      x: .init(title: "seconds measured", scale: .linear, label: Self.number),
      y: .init(title: "requests a second", scale: .linear, label: Self.number), series: series)
  }

  private var latencyOverTime: LineChart {
    let line = timeline.filter { $0.window.answered > 0 }
    let kinds: [(String, (WindowSample) -> UInt64)] = [("p50", { $0.p50 }), ("p90", { $0.p90 }), ("p99", { $0.p99 })]
    return LineChart(
      x: .init(title: "seconds measured", scale: .linear, label: Self.number),
      y: .init(title: "latency", scale: .logarithmic, label: Self.milliseconds),
      series: kinds.enumerated().map { color, kind in
        LineChart.Series(
          name: kind.0, points: line.map { ($0.seconds, Double(kind.1($0.window)) / 1e6) }, color: color, hasMarks: true)
      })
  }

  // MARK: Tables

  private var sections: [String] {
    var sections = ["<section class=\"card\"><h2>Steps</h2>\(table(stepTable))</section>"]
    if targets.count > 1, let step = steps.last {
      sections.append("<section class=\"card\"><h2>Targets, last step</h2>\(table(targetTable(step)))</section>")
    }
    if let server = serverTable {
      sections.append("<section class=\"card\"><h2>The server's own account, last step</h2>\(table(server))</section>")
    }
    let remarks = suspects.compactMap(remarks)
    if !remarks.isEmpty {
      sections.append("<section class=\"card\"><h2>Failures and warnings</h2><pre>\(escaped(remarks.joined(separator: "\n\n")))</pre></section>")
    }
    return sections
  }

  private func table(_ table: TextTable) -> String {
    let rows = table.cells
    let head = rows[0].map { "<th>\(escaped($0.lowercased()))</th>" }.joined()
    let body = rows.dropFirst().map { row in "<tr>\(row.map { "<td>\(escaped($0))</td>" }.joined())</tr>" }
    return "<div class=\"scroll\"><table><thead><tr>\(head)</tr></thead><tbody>\(body.joined(separator: "\n"))</tbody></table></div>"
  }

  // MARK: Style

  private static let style = """

    :root { color-scheme: light dark; --page: #f6f7f9; --card: #ffffff; --ink: #1b2330; --soft: #667085; --grid: #e4e7ec;
      --c0: #2563eb; --c1: #d97706; --c2: #be185d; --c3: #0d9488; --c4: #7c3aed; --c5: #dc2626; }
    @media (prefers-color-scheme: dark) { :root { --page: #0f141b; --card: #19212b; --ink: #e6eaf0; --soft: #98a2b3;
      --grid: #2c3643; --c0: #60a5fa; --c1: #fbbf24; --c2: #f472b6; --c3: #2dd4bf; --c4: #a78bfa; --c5: #f87171; } }
    * { box-sizing: border-box; }
    body { margin: 0 auto; padding: 24px; max-width: 1400px; background: var(--page); color: var(--ink);
      font: 15px/1.5 system-ui, sans-serif; }
    h1 { margin: 0; font-size: 26px; } h2 { margin: 0 0 6px; font-size: 16px; }
    header p, footer { margin: 4px 0 16px; color: var(--soft); } footer { margin-top: 20px; font-size: 13px; }
    .fault, .warning { margin: 0 0 8px; padding: 10px 14px; border-left: 4px solid var(--c5); background: var(--card);
      border-radius: 6px; }
    .warning { border-color: var(--c1); }
    .tiles { display: flex; flex-wrap: wrap; gap: 16px; margin-bottom: 16px; }
    .tiles div { flex: 1 1 150px; padding: 14px 18px; background: var(--card); border: 1px solid var(--grid);
      border-radius: 10px; }
    .tiles b { display: block; font-size: 24px; font-variant-numeric: tabular-nums; } .tiles span { color: var(--soft); }
    main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(520px, 100%), 1fr)); gap: 16px; }
    .card { padding: 16px 18px; background: var(--card); border: 1px solid var(--grid); border-radius: 10px; }
    body > .card { margin-top: 16px; }
    svg { display: block; width: 100%; height: auto; }
    .grid { stroke: var(--grid); } .tick, .title { fill: var(--soft); font-size: 12px; }
    .line { fill: none; stroke-width: 2; stroke-linejoin: round; } .mark { stroke: var(--card); }
    .line.c0 { stroke: var(--c0); } .line.c1 { stroke: var(--c1); } .line.c2 { stroke: var(--c2); }
    .line.c3 { stroke: var(--c3); } .line.c4 { stroke: var(--c4); } .line.c5 { stroke: var(--c5); }
    .mark.c0 { fill: var(--c0); } .mark.c1 { fill: var(--c1); } .mark.c2 { fill: var(--c2); }
    .mark.c3 { fill: var(--c3); } .mark.c4 { fill: var(--c4); } .mark.c5 { fill: var(--c5); }
    .legend { display: flex; flex-wrap: wrap; gap: 4px 16px; color: var(--soft); font-size: 13px; }
    .legend i { display: inline-block; width: 12px; height: 3px; margin: 0 6px 4px 0; border-radius: 2px; }
    i.c0 { background: var(--c0); } i.c1 { background: var(--c1); } i.c2 { background: var(--c2); }
    i.c3 { background: var(--c3); } i.c4 { background: var(--c4); } i.c5 { background: var(--c5); }
    .scroll { overflow-x: auto; } table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
    th, td { padding: 6px 10px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--grid); }
    th { color: var(--soft); font-weight: 500; font-size: 13px; } th:first-child, td:first-child { text-align: left; }
    tbody tr:last-child td { border-bottom: 0; } pre { margin: 0; white-space: pre-wrap; }

    """
}
