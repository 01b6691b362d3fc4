import Synchronization
import Telemetry
import Testing

/// Lines that an output wrote.
private final class Lines: Sendable {
  private let lines = Mutex<[String]>([])
  func append(_ line: String) { lines.withLock { $0.append(line) } }
  var all: [String] { lines.withLock { $0 } }
}

private let noon = LogLine.Time(seconds: 1_795_266_000, milliseconds: 7)

@Test func `a text line has time, level, source, message and fields`() {
  let line = LogLine(
    time: noon, level: "info", source: "apus.control", message: "model is ready",
    fields: [(key: "model", value: "resnet"), (key: "reason", value: "said \"go\" twice")])
  #expect(
    line.formatted(as: .text) == """
      2026-11-21T13:00:00.007Z info apus.control model is ready model=resnet reason="said \\"go\\" twice"

      """)
}

@Test func `what a client sends cannot break a line in two`() {
  let line = LogLine(
    time: noon, level: "error", source: "s", message: "a\nb",
    fields: [(key: "k", value: "c\r\nd\u{1}"), (key: "e", value: "")])
  #expect(line.formatted(as: .text) == "2026-11-21T13:00:00.007Z error s a\\nb k=\"c\\r\\nd\\u0001\" e=\"\"\n")
}

@Test func `a JSON line escapes what RFC 8259 asks for`() {
  let line = LogLine(
    time: noon, level: "warning", source: "s", message: "tab\tquote\" back\\",
    fields: [(key: "model", value: "é\u{1f}")])
  #expect(
    line.formatted(as: .json)
      == #"{"time":"2026-11-21T13:00:00.007Z","level":"warning","source":"s","#
      + #""message":"tab\tquote\" back\\","model":"é\u001f"}"# + "\n")
}

@Test func `a line below the level is not even made`() {
  let lines = Lines()
  let output = LogOutput(level: .warning, form: .text) { lines.append($0) }
  let log = output.log("test")
  var made = 0
  func message(_ text: String) -> String {
    made += 1
    return text
  }
  log.debug(message("no"))
  log.info(message("no"))
  #expect(made == 0 && lines.all.isEmpty)
  log.warning(message("yes"), ["b": "2", "a": "1"])
  #expect(made == 1)
  #expect(lines.all.count == 1 && lines.all[0].hasSuffix(" warning test yes a=1 b=2\n"))
}

@Test func `a change of level is seen by logs that exist`() {
  let lines = Lines()
  let output = LogOutput(level: .error, form: .text) { lines.append($0) }
  let log = output.log("test")
  log.info("before")
  output.level = .trace
  log.trace("after")
  #expect(lines.all.count == 1 && lines.all[0].contains("trace test after"))
}

@Test func `a level may be off while graver and less grave ones are on`() {
  let lines = Lines()
  let output = LogOutput(level: .info, form: .text) { lines.append($0) }
  let log = output.log("test")
  output.change { levels in
    levels.remove(.warning)
    levels.insert(.trace)
  }
  log.trace("yes")
  log.debug("no")
  log.info("yes")
  log.warning("no")
  log.error("yes")
  #expect(lines.all.count == 3 && lines.all.allSatisfy { $0.hasSuffix(" yes\n") })
  #expect(output.level == .trace)
  output.change { $0 = [] }
  log.error("no")
  #expect(lines.all.count == 3 && output.level == nil)
}

@Test func `levels are read as they are written`() {
  for level in LogLevel.allCases { #expect(LogLevel(word: level.word) == level) }
  #expect(LogLevel(word: "INFO") == nil)
}
