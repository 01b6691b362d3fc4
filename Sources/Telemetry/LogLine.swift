internal import Glibc

/// One log line before it is written: pure, so that its form is tested without a clock or a descriptor.
package struct LogLine: Sendable {
  /// Wall-clock time since 1970.
  package struct Time: Sendable {
    package var seconds: Int
    package var milliseconds: Int

    package init(seconds: Int, milliseconds: Int) {
      self.seconds = seconds
      self.milliseconds = milliseconds
    }

    package static func now() -> Time {
      var time = timespec()
      clock_gettime(CLOCK_REALTIME, &time)
      return Time(seconds: time.tv_sec, milliseconds: time.tv_nsec / 1_000_000)
    }

    /// RFC 3339 in UTC, such as `2026-11-21T13:00:00.123Z`.
    package var text: String {
      var seconds = time_t(seconds)
      var parts = tm()
      gmtime_r(&seconds, &parts)
      return """
        \(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))T\
        \(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec)).\
        \(padded(Int32(milliseconds), digits: 3))Z
        """
    }

    private func padded(_ number: Int32, digits: Int = 2) -> String {
      let text = "\(number)"
      return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
  }

  package var time: Time
  package var level: String
  package var source: String
  package var message: String
  package var fields: [(key: String, value: String)]

  package init(
    time: Time, level: String, source: String, message: String, fields: [(key: String, value: String)] = []
  ) {
    self.time = time
    self.level = level
    self.source = source
    self.message = message
    self.fields = fields
  }

  /// The whole line with its newline. Whatever the message and the values hold, it stays one line.
  package func formatted(as form: LogOutput.Form) -> String {
    var line = ""
    switch form {
    case .text:
      line = "\(time.text) \(level) \(source) "
      LogLine.appendEscaped(message, quotes: false, to: &line)
      for field in fields {
        line += " \(field.key)="
        let isPlain = !field.value.isEmpty && field.value.utf8.allSatisfy(LogLine.isPlain)
        if isPlain { line += field.value } else { LogLine.appendQuoted(field.value, to: &line) }
      }
    case .json:
      line = "{\"time\":\"\(time.text)\",\"level\":\"\(level)\",\"source\":"
      LogLine.appendQuoted(source, to: &line)
      line += ",\"message\":"
      LogLine.appendQuoted(message, to: &line)
      for field in fields {
        line += ","
        LogLine.appendQuoted(field.key, to: &line)
        line += ":"
        LogLine.appendQuoted(field.value, to: &line)
      }
      line += "}"
    }
    line += "\n"
    return line
  }

  /// Whether a value of such bytes needs no quotes.
  private static func isPlain(_ byte: UInt8) -> Bool {
    byte > UInt8(ascii: " ") && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "=") && byte != UInt8(ascii: "\\")
      && byte != 0x7f
  }

  private static func appendQuoted(_ text: String, to line: inout String) {
    line += "\""
    appendEscaped(text, quotes: true, to: &line)
    line += "\""
  }

  /// RFC 8259, section 7: quotation mark, reverse solidus and U+0000 to U+001F must be escaped.
  private static func appendEscaped(_ text: String, quotes: Bool, to line: inout String) {
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": line += "\\n"
      case "\r": line += "\\r"
      case "\t": line += "\\t"
      case "\"" where quotes: line += "\\\""
      case "\\" where quotes: line += "\\\\"
      case _ where scalar.value < 0x20 || scalar.value == 0x7f:
        let digits = String(scalar.value, radix: 16)
        line += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
      default: line.unicodeScalars.append(scalar)
      }
    }
  }
}
