internal import Foundation

/// The person at the keyboard, if there is one.
enum Terminal {
  static var isInteractive: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 }

  static func ask(_ question: String) -> Bool {
    FileHandle.standardError.write(Data(question.utf8))
    return ["y", "yes"].contains((readLine() ?? "").lowercased())
  }

  /// A line that does not appear on the screen.
  static func secret(_ prompt: String) -> String? {
    FileHandle.standardError.write(Data(prompt.utf8))
    var settings = termios()
    let isTerminal = tcgetattr(STDIN_FILENO, &settings) == 0
    if isTerminal {
      var silent = settings
      silent.c_lflag &= ~tcflag_t(ECHO)
      tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
    }
    defer {
      if isTerminal {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
        FileHandle.standardError.write(Data("\n".utf8))
      }
    }
    return readLine()
  }
}
