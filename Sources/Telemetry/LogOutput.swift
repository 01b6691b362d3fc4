internal import Glibc
internal import Logging
internal import Synchronization

/// Where log lines go, in which form, and from which level on. One a process.
///
/// Every line is one `write`, so lines of several threads never mix, and nothing is lost when the process dies.
package final class LogOutput: Sendable {
  package enum Form: Sendable, Hashable {
    /// `2026-11-21T13:00:00.123Z info apus.control message key=value`
    case text
    /// One JSON object a line: `{"time":…,"level":…,"source":…,"message":…,…fields}`.
    case json
  }

  package let form: Form
  private let threshold: Atomic<Int>
  private let writeLine: @Sendable (String) -> Void

  /// - Parameter write: Takes one line, its newline included. Called from any thread.
  package init(level: LogLevel, form: Form, write: @escaping @Sendable (String) -> Void) {
    self.form = form
    threshold = Atomic(level.rawValue)
    writeLine = write
  }

  package static func standardError(level: LogLevel, form: Form) -> LogOutput {
    LogOutput(level: level, form: form, write: writeToStandardError)
  }

  package func log(_ name: String) -> Log { Log(name: name, output: self) }

  /// Lines below it are not made. May change at any time, for all logs of this output at once.
  package var level: LogLevel {
    get { LogLevel(rawValue: threshold.load(ordering: .relaxed)) ?? .info }
    set { threshold.store(newValue.rawValue, ordering: .relaxed) }
  }

  package func isEnabled(_ level: LogLevel) -> Bool { level.rawValue >= threshold.load(ordering: .relaxed) }

  /// Sends what libraries log through swift-log here too. Once a process.
  package func adoptLibraries() {
    LoggingSystem.bootstrap { LineLogHandler(name: $0, output: self) }
  }

  internal func write(_ line: String) { writeLine(line) }
}

private func writeToStandardError(_ line: String) {
  var line = line
  line.withUTF8 { bytes in
    var rest = UnsafeRawBufferPointer(bytes)[...]
    while !rest.isEmpty {
      let written = Glibc.write(STDERR_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { return }  // Nobody can be told that standard error is gone.
      rest = rest.dropFirst(written)
    }
  }
}

/// swift-log's way in: makes one line of each event.
internal struct LineLogHandler: LogHandler {
  let name: String
  let output: LogOutput
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?
  private var ownLevel: Logger.Level?

  init(name: String, output: LogOutput) {
    self.name = name
    self.output = output
  }

  /// The output's, so that one change is seen everywhere, unless a library set its own.
  var logLevel: Logger.Level {
    get { ownLevel ?? output.level.loggerLevel }
    set { ownLevel = newValue }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var fields = metadata
    if let provided = metadataProvider?.get() { fields.merge(provided) { _, new in new } }
    if let given = event.metadata { fields.merge(given) { _, new in new } }
    var sorted = fields.map { (key: $0.key, value: "\($0.value)") }.sorted { $0.key < $1.key }
    if let error = event.error { sorted.append((key: "error", value: "\(error)")) }
    let line = LogLine(
      time: .now(), level: event.level.rawValue, source: name, message: "\(event.message)", fields: sorted)
    output.write(line.formatted(as: output.form))
  }
}
