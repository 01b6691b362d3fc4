package import Inference
package import Telemetry
package import Wire

/// What clients may read, and some may change, of what the server logs.
///
/// ```
/// log_info, log_warning, log_error   whether such lines are written; each on its own
/// log_verbose_level                  0: no more than that; 1: debug too; 2 and above: debug and trace
/// log_format                         ISO8601: a line has such a time, in text and in JSON
/// log_file                           empty: standard error
/// ```
///
/// Source: Triton, "Logging Extension". The last two stay as the server was started.
package struct LogSettings: Sendable {
  /// In the order in which Triton lists them.
  package static let names = [
    "log_file", "log_info", "log_warning", "log_error", "log_verbose_level", "log_format",
  ]

  private static let levels: [String: LogLevel] = ["log_info": .info, "log_warning": .warning, "log_error": .error]
  private static let format = "ISO8601"

  private let output: LogOutput
  private let allowsChanges: Bool
  private let log: Log

  /// - Parameters:
  ///   - allowsChanges: As clients may load and unload models: what is logged is the whole server's.
  ///   - log: Told of every change.
  package init(of output: LogOutput, allowsChanges: Bool, log: Log) {
    self.output = output
    self.allowsChanges = allowsChanges
    self.log = log
  }

  /// All settings by name.
  package var all: [String: LogSettingValue] {
    var all: [String: LogSettingValue] = ["log_file": .string(""), "log_format": .string(LogSettings.format)]
    for (name, level) in LogSettings.levels { all[name] = .bool(output.isEnabled(level)) }
    all["log_verbose_level"] = .uint32(output.isEnabled(.trace) ? 2 : output.isEnabled(.debug) ? 1 : 0)
    return all
  }

  /// Changes those that are given, all or none; one without a value stays as it is.
  ///
  /// - Throws: `.unavailable` if clients have no say; `.invalidArgument` for an unknown name, or a value of another type;
  ///   `.unimplemented` for what can't be changed here. Nothing is changed then.
  package func change(_ settings: [String: LogSettingValue]) throws(InferenceError) {
    guard !settings.isEmpty else { return }
    guard allowsChanges else {
      throw .unavailable("a change of log settings is not allowed: model control is switched off")
    }
    var on: Set<LogLevel> = []
    var off: Set<LogLevel> = []
    for (name, value) in settings.sorted(by: { $0.key < $1.key }) {
      guard LogSettings.names.contains(name) else {
        let known = LogSettings.names.joined(separator: ", ")
        throw .invalidArgument("unknown log setting '\(clipped(name))': expected one of \(known)")
      }
      if value == .unset { continue }
      if let level = LogSettings.levels[name] {
        guard case .bool(let isOn) = value else {
          throw .invalidArgument("\(name) is \(value.text): expected true or false")
        }
        if isOn { on.insert(level) } else { off.insert(level) }
        continue
      }
      switch (name, value) {
      case ("log_verbose_level", .uint32(let level)):
        if level >= 1 { on.insert(.debug) } else { off.insert(.debug) }
        if level >= 2 { on.insert(.trace) } else { off.insert(.trace) }
      case ("log_verbose_level", _):
        throw .invalidArgument("log_verbose_level is \(value.text): expected a whole number from 0 to \(UInt32.max)")
      case ("log_file", .string("")), ("log_format", .string(LogSettings.format)): break
      case ("log_file", _):
        throw .unimplemented(
          "log_file is \(value.text): expected '', because this server logs to standard error and opens no file for it")
      default:
        throw .unimplemented(
          "log_format is \(value.text): expected '\(LogSettings.format)', the form of the time in every line here")
      }
    }
    let text = settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.text)" }.joined(separator: " ")
    log.info("log settings change", ["settings": text])  // before it does: a client may switch this line off
    output.change { levels in
      levels.formUnion(on)
      levels.subtract(off)
    }
  }
}

extension LogSettingValue {
  /// As an error shows it.
  fileprivate var text: String {
    switch self {
    case .bool(let value): "\(value)"
    case .uint32(let value): "\(value)"
    case .string(let value): "'\(clipped(value))'"
    case .unset: "unset"
    }
  }
}

/// A client chooses what it sends, and not how long the answer gets.
private func clipped(_ text: String) -> String { text.utf8.count <= 100 ? text : text.prefix(25) + "…" }
