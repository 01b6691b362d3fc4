internal import Logging

/// How grave a log line is.
package enum LogLevel: Int, Sendable, Hashable, Comparable, CaseIterable {
  case trace, debug, info, warning, error

  /// As an option or a line spells it, such as `info`.
  package init?(word: String) {
    guard let found = LogLevel.allCases.first(where: { $0.word == word }) else { return nil }
    self = found
  }

  package var word: String {
    switch self {
    case .trace: "trace"
    case .debug: "debug"
    case .info: "info"
    case .warning: "warning"
    case .error: "error"
    }
  }

  package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }

  /// The nearest to one of swift-log's, which has two more.
  internal init(_ level: Logger.Level) {
    switch level {
    case .trace: self = .trace
    case .debug: self = .debug
    case .info, .notice: self = .info
    case .warning: self = .warning
    case .error, .critical: self = .error
    }
  }

  internal var loggerLevel: Logger.Level {
    switch self {
    case .trace: .trace
    case .debug: .debug
    case .info: .info
    case .warning: .warning
    case .error: .error
    }
  }
}

/// The named source of log lines of one part of the server, such as `apus.control`.
///
/// A line of a level that its output does not write costs one relaxed load: neither message nor fields are made. Get one
/// with `LogOutput.log(_:)`; `Log.off` is for tests and tools that want silence.
package struct Log: Sendable {
  package typealias Fields = KeyValuePairs<String, String>

  private let logger: Logger
  private let output: LogOutput

  internal init(name: String, output: LogOutput) {
    self.output = output
    logger = Logger(label: name) { LineLogHandler(name: $0, output: output) }
  }

  package static let off = LogOutput(level: .error, form: .text, write: { _ in }).log("off")

  package func trace(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
    log(.trace, message, fields)
  }
  package func debug(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
    log(.debug, message, fields)
  }
  package func info(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
    log(.info, message, fields)
  }
  package func warning(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
    log(.warning, message, fields)
  }
  package func error(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
    log(.error, message, fields)
  }

  private func log(_ level: LogLevel, _ message: () -> String, _ fields: () -> Fields) {
    guard output.isEnabled(level) else { return }
    var metadata: Logger.Metadata = [:]
    for (key, value) in fields() { metadata[key] = .string(value) }
    logger.log(level: level.loggerLevel, "\(message())", metadata: metadata)
  }
}
