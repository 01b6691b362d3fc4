internal import Foundation
internal import Inference
internal import Synchronization

/// How a transfer goes: bytes, rate and the time left, as a bar in a terminal, else as a line now and then.
final class TransferProgress: Sendable {
  private struct State {
    var done: Int64 = 0
    var total: Int64
    var lastShown: ContinuousClock.Instant?
  }

  private let title: String
  private let line: ProgressLine
  private let isQuiet: Bool
  private let start = ContinuousClock().now
  private let state: Mutex<State>
  private let isTerminal = isatty(STDERR_FILENO) == 1

  init(_ title: String, isQuiet: Bool, total: Int64 = 0) {
    self.title = title
    self.isQuiet = isQuiet
    line = ProgressLine(isQuiet: isQuiet)
    state = Mutex(State(total: total))
  }

  func add(_ count: Int64) {
    let (done, total) = state.withLock { state in
      state.done += count
      return (state.done, state.total)
    }
    show(done: done, total: total)
  }

  /// Takes back what a broken request did not bring.
  func place(correctedBy difference: Int64, sent: Int64) {
    state.withLock { $0.done = max(0, $0.done - sent + difference) }
  }

  func show(done: Int64, total: Int64) {
    let now = ContinuousClock().now
    let isDue = state.withLock { state in
      let pause: Duration = isTerminal ? .milliseconds(100) : .seconds(5)
      guard now - (state.lastShown ?? start) >= pause else { return false }
      state.lastShown = now
      return true
    }
    guard isDue else { return }
    let seconds = Double((now - start).wholeNanoseconds) / 1e9
    line.show(ProgressLine.Content(text: "\(title): \(TransferProgress.text(done: done, total: total, seconds: seconds, hasBar: isTerminal))"))
  }

  /// Bytes of bytes, the rate, and what is left at that rate.
  static func text(done: Int64, total: Int64, seconds: Double, hasBar: Bool) -> String {
    let share = total > 0 ? min(1, Double(done) / Double(total)) : 1
    let rate = seconds > 0 ? Double(done) / seconds : 0
    var text = hasBar ? "[\(bar(share))] " : ""
    text += "\(ByteText.size(done)) of \(ByteText.size(total)), \(ByteText.size(Int64(rate)))/s"
    if rate > 0, done < total { text += ", \(ByteText.time(Double(total - done) / rate)) left" }
    return text
  }

  private static func bar(_ share: Double) -> String {
    let width = 24
    let full = Int(share * Double(width))
    return String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
  }

  func say(_ text: String) {
    line.clear()
    if !isQuiet { ExitStatus.say(text) }
  }

  func end() { line.clear() }
}

/// Sizes and times as people read them.
package enum ByteText {
  package static func size(_ bytes: Int64) -> String {
    if bytes < 1 << 10 { return "\(bytes) B" }
    let units = ["KiB", "MiB", "GiB", "TiB"]
    var value = Double(bytes) / 1024
    var unit = 0
    while value >= 1024, unit < units.count - 1 {
      value /= 1024
      unit += 1
    }
    return String(format: "%.1f %@", value, units[unit])
  }

  package static func time(_ seconds: Double) -> String {
    let seconds = Int(seconds.rounded(.up))
    if seconds < 60 { return "\(seconds) s" }
    if seconds < 3600 { return "\(seconds / 60) min \(seconds % 60) s" }
    return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
  }
}
