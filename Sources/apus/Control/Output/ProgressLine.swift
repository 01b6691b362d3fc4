internal import Foundation
internal import Synchronization

/// How something goes, on standard error: one line that changes in a terminal, else a line when there is something new.
final class ProgressLine: Sendable {
  struct Content: Hashable {
    /// What makes a new line when it changes.
    var text: String
    /// What alone makes none: times and rates.
    var changing = ""
  }

  private let isQuiet: Bool
  private let isTerminal: Bool
  private let last = Mutex("")

  init(isQuiet: Bool) {
    self.isQuiet = isQuiet
    isTerminal = isatty(FileHandle.standardError.fileDescriptor) == 1
  }

  func show(_ content: Content) {
    if isQuiet { return }
    if isTerminal {
      let line = content.changing.isEmpty ? content.text : "\(content.text) (\(content.changing))"
      FileHandle.standardError.write(Data("\r\u{1B}[K\(line.prefix(ProgressLine.columns))".utf8))
      return
    }
    let isNew = last.withLock { last in
      defer { last = content.text }
      return last != content.text
    }
    if isNew { ExitStatus.say(content.text) }
  }

  /// Makes way for something else.
  func clear() {
    if isTerminal, !isQuiet { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
  }

  /// The width of the terminal, less one so that the line never wraps.
  private static var columns: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 1 else { return 79 }
    return Int(size.ws_col) - 1
  }
}
