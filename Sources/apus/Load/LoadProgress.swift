internal import Foundation
internal import LoadTesting

/// How a load test is going, on standard error: one line that changes in a terminal, else a line every five seconds.
final class LoadProgress {
  private let isQuiet: Bool
  private let isTerminal = isatty(FileHandle.standardError.fileDescriptor) == 1
  private var lastSaid = Date.distantPast

  init(isQuiet: Bool) { self.isQuiet = isQuiet }

  func show(_ title: String, _ window: WindowSample) {
    if isQuiet { return }
    var text = "\(title): \(Int((window.startSeconds + window.seconds).rounded())) s, "
    text += "\(LoadReport.number(window.throughput))/s, p50 \(LoadReport.time(Double(window.p50))), "
    text += "p99 \(LoadReport.time(Double(window.p99)))"
    if window.failed > 0 { text += ", \(window.failed) failed" }
    if isTerminal {
      FileHandle.standardError.write(Data("\r\u{1B}[K\(text)".utf8))
    } else if Date().timeIntervalSince(lastSaid) >= 5 {
      lastSaid = Date()
      ExitStatus.say(text)
    }
  }

  /// A line that stays.
  func say(_ line: String) {
    if isQuiet { return }
    clear()
    ExitStatus.say(line)
  }

  /// Makes way for something else.
  func clear() {
    if isTerminal, !isQuiet { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
  }

  static func text(_ result: StepResult, _ percentile: Double) -> String {
    let value = LoadReport.time(Double(result.total.latency.value(atPercentile: percentile)))
    let failed = result.total.failed > 0 ? ", \(result.total.failed) failed" : ""
    return "\(LoadReport.number(result.throughput))/s answered, p\(LoadReport.number(percentile)) \(value)\(failed)"
  }
}
