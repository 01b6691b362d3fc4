internal import ApusServer
internal import Documents
internal import Foundation
internal import Inference

/// The private server of this machine's user: the same program with the same results, without a set-up.
///
/// It keeps its catalogue under `$XDG_DATA_HOME/apus/local`, else `~/.local/share/apus/local`, is reached by a socket in
/// there that only its user can open, and scores at a port of the loopback interface. It asks nobody who they are.
struct LocalServer: Sendable {
  /// What the server writes when it is ready.
  struct State: Hashable, Sendable {
    let process: Int32
    let control: ServerAddress
    let http: String
  }

  let folder: String

  static let startLimit = Duration.seconds(60)
  static let stopLimit = Duration.seconds(60)
  private static let look = Duration.milliseconds(50)

  static func standard(_ environment: [String: String] = ProcessInfo.processInfo.environment) -> LocalServer {
    if let home = environment["XDG_DATA_HOME"], home.hasPrefix("/") { return LocalServer(folder: home + "/apus/local") }
    return LocalServer(folder: (environment["HOME"] ?? NSHomeDirectory()) + "/.local/share/apus/local")
  }

  private var stateFile: String { folder + "/server.json" }
  var logFile: String { folder + "/server.log" }
  private var socket: String { folder + "/control.sock" }

  /// The server that runs; nil if none does.
  func running() -> State? {
    guard let content = FileManager.default.contents(atPath: stateFile), let state = try? Document(json: Array(content)),
      let process = state["pid"]?.int.flatMap({ Int32(exactly: $0) }), let control = state["control"]?.string,
      let address = try? ServerAddress(control, from: stateFile), let http = state["http"]?.string
    else { return nil }
    // A number may belong to another process by now; one that listens at the socket is it.
    guard process > 1, kill(process, 0) == 0 || errno == EPERM, FileManager.default.fileExists(atPath: socketPath(address)) else {
      return nil
    }
    return State(process: process, control: address, http: http)
  }

  private func socketPath(_ address: ServerAddress) -> String {
    if case .unix(let path) = address { path } else { stateFile }
  }

  /// How to talk to it. Starts it if it does not run.
  func session(timeout: Duration) async throws -> Session {
    let state = if let running = running() { running } else { try await start() }
    var session = Session(address: state.control, workspace: Session.defaultWorkspace, timeout: timeout)
    session.isLocal = true
    session.host = state.http.split(separator: "/").last.map(String.init)
    return session
  }

  /// Starts a server that goes on when this program has ended.
  func start() async throws -> State {
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch { throw UsageError("--local: can't make the folder \(folder): \(error.localizedDescription)") }
    try? FileManager.default.removeItem(atPath: stateFile)
    do {
      // Nobody is asked for the secret of a private server's administrator.
      _ = try await DataDirectory(folder).create(administrator: "owner")
    } catch let error as InferenceError where error.code == .alreadyExists {}
    ExitStatus.say("starting the local server; 'apus local stop' ends it")
    let process = try spawn()
    let clock = ContinuousClock()
    let start = clock.now
    while clock.now - start < LocalServer.startLimit {
      if let state = running() { return state }
      var status: Int32 = 0
      if waitpid(process, &status, WNOHANG) == process { throw LocalServerError("the local server ended at once", log: logFile) }
      try await Task.sleep(for: LocalServer.look)
    }
    kill(process, SIGTERM)
    throw LocalServerError("the local server was not ready within \(TimeSpan(LocalServer.startLimit))", log: logFile)
  }

  /// In a session of its own, so that Ctrl-C in this terminal does not reach it.
  private func spawn() throws -> pid_t {
    let arguments = [
      "apus", "serve", "--data", folder, "--private", "--control-listen", "unix:\(socket)", "--http-listen", "127.0.0.1:0",
      "--listen", "unix:\(folder)/grpc.sock",
    ]
    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var settings: [UnsafeMutablePointer<CChar>?] =
      LocalServer.environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for word in words + settings { free(word) } }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, LocalServer.spawnSetsid)
    var files = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&files)
    defer { posix_spawn_file_actions_destroy(&files) }
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, logFile, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO)
    var process = pid_t()
    let code = posix_spawn(&process, try LocalServer.program(), &files, &attributes, &words, &settings)
    guard code == 0 else { throw UsageError("--local: can't start the server: \(String(cString: strerror(code)))") }
    return process
  }

  /// `POSIX_SPAWN_SETSID` of glibc's spawn.h, which the header shows only to GNU sources.
  private static let spawnSetsid: Int16 = 0x80

  /// Without the options that this shell may have set for a server of another kind.
  private static var environment: [String: String] {
    ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("APUS_") || $0.key == "APUS_ONNXRUNTIME" }
  }

  /// This very program.
  private static func program() throws -> String {
    do { return try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") } catch {
      throw UsageError("--local: can't tell where this program is")
    }
  }

  /// Ends the server, which answers what it has first.
  ///
  /// - Returns: Whether one ran.
  func stop() async throws -> Bool {
    guard let state = running() else { return false }
    kill(state.process, SIGTERM)
    let clock = ContinuousClock()
    let start = clock.now
    while clock.now - start < LocalServer.stopLimit {
      if kill(state.process, 0) != 0, errno == ESRCH {
        try? FileManager.default.removeItem(atPath: stateFile)
        return true
      }
      try await Task.sleep(for: LocalServer.look)
    }
    throw LocalServerError("the local server (process \(state.process)) did not end within \(TimeSpan(LocalServer.stopLimit))", log: logFile)
  }
}

/// Why the private server is not there, with what it said last.
struct LocalServerError: Error, CustomStringConvertible {
  let description: String

  init(_ message: String, log: String) {
    let text = FileManager.default.contents(atPath: log).map { String(decoding: $0.suffix(4000), as: UTF8.self) } ?? ""
    let last = text.split(whereSeparator: \.isNewline).suffix(5).map { "  \($0)" }
    description = ([last.isEmpty ? message : "\(message); its log (\(log)) ends:"] + last).joined(separator: "\n")
  }
}
