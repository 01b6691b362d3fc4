import Foundation
import LoadTesting
import Testing
import apus

/// A report of one step with so many answers that took from 1 ms on, and as many failures.
private func report(answers: Int = 100, failures: UInt64 = 0, target: String = "m") -> LoadReport {
  var tally = Tally(targetCount: 1)
  for index in 0..<answers { tally.latency.record(1_000_000 + UInt64(index) * 10_000) }
  tally.statuses[0] = UInt64(answers)
  tally.statuses[14] = failures
  tally.sent = UInt64(answers) + failures
  (tally.checked, tally.mismatched) = (10, 0)
  var report = LoadReport(
    address: "127.0.0.1:1", server: "s 1", started: Date(timeIntervalSince1970: 0), threads: 1, connections: 1, streams: 1,
    seed: 1,
    targets: [LoadReport.Target(name: target, method: "/a/b", weight: 1, inputs: 1, leastBytes: 1, mostBytes: 1)])
  let windows = (0..<5).map { WindowSample(tally, startSeconds: Double($0), seconds: 1, clientCPUs: 0.5) }
  report.steps = [
    StepResult(
      step: .concurrency(3), end: .duration, isStable: true, seconds: 5, total: tally, windows: windows, busiestThread: 0.1,
      clientCPUs: 0.5, failures: ["no <b>"], mismatches: [])
  ]
  return report
}

@Test(arguments: [
  (812_000.0, "812 µs"), (999_600, "1.00 ms"), (3_214_000, "3.21 ms"), (42_000_000, "42.0 ms"),
  (1_500_000_000, "1.50 s"), (12_000_000_000, "12.0 s"),
])
func `times are written with three digits and their unit`(nanoseconds: Double, text: String) {
  #expect(LoadReport.time(nanoseconds) == text)
}

@Test(arguments: [
  (0.0, "0"), (1.5, "1.5"), (99.9, "99.9"), (1234.4, "1,234"), (1_234_567, "1,234,567"), (-1234, "-1,234"), (100, "100"),
])
func `numbers have their thousands apart`(value: Double, text: String) {
  #expect(LoadReport.number(value) == text)
}

@Test func `a report in JSON is read again, with a value a window`() throws {
  let saved = try SavedLoadReport(report().json, from: "r")
  #expect(saved.targets == ["m"] && saved.faults.isEmpty)
  #expect(saved.steps.map(\.load) == ["3 in flight"])
  #expect(saved.steps[0].metrics["throughput_per_second"] == [100, 100, 100, 100, 100])
  #expect(saved.steps[0].metrics["failed_share"] == [0, 0, 0, 0, 0])
  #expect(saved.steps[0].metrics["server_cpu_us_per_request"] == nil)
}

@Test(arguments: [
  ("{}", "r: 'format' is missing"), ("[]", "r: expected an object, found a list"),
  (#"{"format": "apus-load/1"}"#, "r: 'steps' is missing"),
  (#"{"format": "apus-load/1", "steps": [{"windows": [1]}]}"#, "r: steps[0].windows[0]: expected an object, found a number"),
])
func `what is no report says what is wrong`(text: String, message: String) throws {
  let json = try JSONValue(parsing: text, from: "r")
  let error = #expect(throws: UsageError.self) { try SavedLoadReport(json, from: "r") }
  #expect(error?.message == message)
}

@Test func `wrong answers, no answers and bounds that are not kept are faults`() {
  #expect(report(failures: 5).faults.isEmpty)
  #expect(report(answers: 0, failures: 5).faults == ["no request was answered"])
  var wrong = report()
  wrong.steps[0].total.mismatched = 2
  #expect(wrong.faults == ["2 of 10 answers that were checked differ from the first answer to the same input"])
  var slow = report()
  slow.bounds = [.init(percentile: 50, nanoseconds: 2_000_000), .init(percentile: 99, nanoseconds: 1_500_000)]
  #expect(slow.faults.count == 1 && slow.faults[0].hasPrefix("3 in flight: p99 is 1.9"))
}

@Test func `the page escapes what others have written, and loads nothing`() {
  let page = report(failures: 3, target: "<script>&").html
  #expect(page.contains("&lt;script&gt;&amp;") && !page.contains("<script"))
  #expect(page.contains("no &lt;b&gt;"))
  #expect(!page.contains("http") && page.contains("<svg"))
}

@Test func `the table names failures by their status`() {
  let text = report(failures: 1234).readable
  #expect(text.contains("1,234 × UNAVAILABLE") && text.contains("no <b>"))
}

@Test func `the rows of CSV have as many cells as the heading`() {
  let rows = report().csv.split(separator: "\r\n")
  #expect(rows.count == 6)
  #expect(rows[1].split(separator: ",", omittingEmptySubsequences: false).count == 19)
  #expect(rows[1].hasPrefix("1,\"3 in flight\",0.000,1.000,100,0,100.0,"))
  #expect(rows[0].split(separator: ",").count == 19)
}
