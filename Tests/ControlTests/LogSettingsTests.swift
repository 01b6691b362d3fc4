import Control
import Inference
import Synchronization
import Telemetry
import Testing
import Wire

/// Log settings, and the lines that are written under them.
private final class Scene: Sendable {
  private let written = Mutex<[String]>([])
  let settings: LogSettings
  let log: Log

  init(level: LogLevel = .info, allowsChanges: Bool = true) {
    let box = Box()
    let output = LogOutput(level: level, form: .text) { box.scene?.append($0) }
    log = output.log("test")
    settings = LogSettings(of: output, allowsChanges: allowsChanges, log: output.log("settings"))
    box.scene = self
  }

  private final class Box: @unchecked Sendable {  // written once, before the first line
    weak var scene: Scene?
  }

  private func append(_ line: String) { written.withLock { $0.append(line) } }

  /// Levels of the lines that come of one of each.
  func levels() -> [String] {
    written.withLock { $0 = [] }
    log.trace("")
    log.debug("")
    log.info("")
    log.warning("")
    log.error("")
    return lines.map { String($0.split(separator: " ")[1]) }
  }

  var lines: [String] { written.withLock { $0 } }

  func failure(_ settings: [String: LogSettingValue]) -> InferenceError? {
    do throws(InferenceError) {
      try self.settings.change(settings)
      return nil
    } catch { return error }
  }
}

@Test(arguments: [
  (.trace, 2, true, true, true), (.debug, 1, true, true, true), (.info, 0, true, true, true),
  (.warning, 0, false, true, true), (.error, 0, false, false, true),
] as [(LogLevel, UInt32, Bool, Bool, Bool)])
func `settings say what the server was started with`(
  level: LogLevel, verbose: UInt32, info: Bool, warning: Bool, error: Bool
) {
  #expect(
    Scene(level: level).settings.all == [
      "log_file": .string(""), "log_info": .bool(info), "log_warning": .bool(warning), "log_error": .bool(error),
      "log_verbose_level": .uint32(verbose), "log_format": .string("ISO8601"),
    ])
}

/// Every combination, from every other.
@Test func `each setting switches lines of its own`() throws {
  let scene = Scene()
  for before in 0..<24 {
    for after in 0..<24 {
      for number in [before, after] {
        try scene.settings.change([
          "log_info": .bool(number & 1 != 0), "log_warning": .bool(number & 2 != 0), "log_error": .bool(number & 4 != 0),
          "log_verbose_level": .uint32(UInt32(number >> 3)),
        ])
      }
      let expected =
        (after >> 3 >= 2 ? ["trace"] : []) + (after >> 3 >= 1 ? ["debug"] : []) + (after & 1 != 0 ? ["info"] : [])
        + (after & 2 != 0 ? ["warning"] : []) + (after & 4 != 0 ? ["error"] : [])
      #expect(scene.levels() == expected)
      #expect(scene.settings.all["log_verbose_level"] == .uint32(UInt32(after >> 3)))
    }
  }
}

@Test func `only what is given changes, and levels past the last are the last`() throws {
  let scene = Scene()
  try scene.settings.change(["log_warning": .bool(false)])
  #expect(scene.levels() == ["info", "error"])
  try scene.settings.change(["log_verbose_level": .uint32(.max), "log_info": .unset])
  #expect(scene.levels() == ["trace", "debug", "info", "error"])
  #expect(scene.settings.all["log_verbose_level"] == .uint32(2))
  try scene.settings.change([:])
  // What was read can be sent back.
  let all = scene.settings.all
  try scene.settings.change(all)
  #expect(scene.settings.all == all)
}

@Test(arguments: [
  ("log_file", .string("/tmp/x.log"), .unimplemented, "log_file is '/tmp/x.log': expected ''"),
  ("log_file", .bool(true), .unimplemented, "log_file is true: expected ''"),
  ("log_format", .string("default"), .unimplemented, "log_format is 'default': expected 'ISO8601'"),
  ("log_info", .string("yes"), .invalidArgument, "log_info is 'yes': expected true or false"),
  ("log_error", .uint32(1), .invalidArgument, "log_error is 1: expected true or false"),
  (
    "log_verbose_level", .bool(true), .invalidArgument,
    "log_verbose_level is true: expected a whole number from 0 to 4294967295"
  ),
  (
    "log_infos", .bool(true), .invalidArgument,
    "unknown log setting 'log_infos': expected one of log_file, log_info, log_warning, log_error, log_verbose_level, "
      + "log_format"
  ),
  ("colour", .unset, .invalidArgument, "unknown log setting 'colour'"),
] as [(String, LogSettingValue, InferenceError.Code, String)])
func `what can't be set is refused with the reason, and with it all else that was asked for`(
  name: String, value: LogSettingValue, code: InferenceError.Code, message: String
) throws {
  let scene = Scene()
  let before = scene.settings.all
  var changes: [String: LogSettingValue] = ["log_warning": .bool(false), "log_error": .bool(false), "log_info": .bool(false)]
  changes[name] = value
  let failure = try #require(scene.failure(changes))
  #expect(failure.code == code)
  #expect(failure.message.hasPrefix(message), "\(failure.message)")
  #expect(scene.settings.all == before)
}

@Test func `where models can't be changed, settings can be read only`() {
  let scene = Scene(allowsChanges: false)
  #expect(
    scene.failure(["log_info": .bool(false)])
      == .unavailable("a change of log settings is not allowed: model control is switched off"))
  #expect(scene.failure([:]) == nil)
  #expect(scene.settings.all["log_info"] == .bool(true))
}

@Test func `a change is logged before it hides itself`() throws {
  let scene = Scene()
  try scene.settings.change(["log_info": .bool(false), "log_verbose_level": .uint32(0)])
  #expect(scene.lines.count == 1)
  #expect(scene.lines[0].hasSuffix(" info settings log settings change settings=\"log_info=false log_verbose_level=0\"\n"))
}
