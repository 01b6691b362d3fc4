internal import Glibc
internal import Logging
internal import Synchronization

/// Where log lines go, in which form, and of which levels. One a process.
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
  /// Bit i is set if lines of the level with number i are written.
  private let enabled: Atomic<Int>
  private let writeLine: @Sendable (String) -> Void

  /// - Parameter write: Takes one line, its newline included. Called from any thread.
  package init(level: LogLevel, form: Form, write: @escaping @Sendable (String) -> Void) {
    self.form = form
    enabled = Atomic(LogOutput.bits(LogOutput.levels(from: level)))
    writeLine = write
  }

  package static func standardError(level: LogLevel, form: Form) -> LogOutput {
    LogOutput(level: level, form: form, write: writeToStandardError)
  }

  package func log(_ name: String) -> Log { Log(name: name, output: self) }

  /// The least grave level whose lines are made; nil: none are. Set it to have those of this and of all graver levels made.
  package var level: LogLevel? {
    get { LogLevel.allCases.first(where: isEnabled) }
    set { change { $0 = newValue.map { LogOutput.levels(from: $0) } ?? [] } }
  }

  /// Changes which levels have their lines made, at any time and for all logs of this output at once. `body` may run more
  /// than once: two changes at the same time both count.
  package func change(_ body: (inout Set<LogLevel>) -> Void) {
    var before = enabled.load(ordering: .relaxed)
    while true {
      var levels = Set(LogLevel.allCases.filter { before & 1 << $0.rawValue != 0 })
      body(&levels)
      let result = enabled.compareExchange(expected: before, desired: LogOutput.bits(levels), ordering: .relaxed)
      if result.exchanged { return }
      before = result.original
    }
  }

  package func isEnabled(_ level: LogLevel) -> Bool { enabled.load(ordering: .relaxed) & 1 << level.rawValue != 0 }

  private static func levels(from level: LogLevel) -> Set<LogLevel> { Set(LogLevel.allCases.filter { $0 >= level }) }
  private static func bits(_ levels: Set<LogLevel>) -> Int { levels.reduce(0) { $0 | 1 << $1.rawValue } }

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
    get { ownLevel ?? output.level?.loggerLevel ?? .critical }
    set { ownLevel = newValue }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    // A level that is off may lie above one that is on.
    guard ownLevel != nil || output.isEnabled(LogLevel(event.level)) else { return }
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
