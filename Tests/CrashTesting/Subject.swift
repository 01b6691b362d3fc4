internal import Glibc
internal import Synchronization
internal import Threads

/// A run of the program `CrashSubject` in a process of its own, which may be killed.
package struct Subject: Sendable {
  /// What it wrote, line by line. A line that the end cut short is not among them.
  package var lines: [String]
  /// Whether `SIGKILL` ended it.
  package var wasKilled: Bool
  /// Its exit status, if it was not killed.
  package var status: Int32

  /// When the parent kills it: after so many lines, and then so many rounds of a loop.
  package struct Kill: Sendable {
    package var afterLines: Int
    package var rounds: Int

    package init(afterLines: Int, rounds: Int) {
      self.afterLines = afterLines
      self.rounds = rounds
    }
  }

  /// Runs it to its end, on a thread that may block.
  package static func run(_ arguments: [String], kill: Kill? = nil) async throws -> Subject {
    try await onOwnThread { try runBlocking(arguments, kill: kill) }
  }

  /// As `run`, for threads that may block.
  package static func runBlocking(_ arguments: [String], kill: Kill? = nil) throws -> Subject {
    let (process, output) = try starting.withLock { _ in try start(arguments) }
    defer { close(output) }
    let lines = readLines(output) { count in
      guard let kill, count == kill.afterLines else { return }
      for _ in 0..<kill.rounds { sched_yield() }
      Glibc.kill(process, SIGKILL)
    }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    let signal = status & 0x7F
    guard signal == 0 || signal == SIGKILL else { throw TestFailure("the subject ended by signal \(signal)") }
    return Subject(lines: lines, wasKilled: signal == SIGKILL, status: (status >> 8) & 0xFF)
  }

  /// One start at a time: a process that starts between the two would inherit this one's end of the pipe.
  private static let starting = Mutex(())

  private static func start(_ arguments: [String]) throws -> (process: pid_t, output: Int32) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw TestFailure("pipe: errno \(errno)") }
    defer { close(ends[1]) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    let program = try Self.program()
    var pointers = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, program, &actions, nil, &pointers, environ)
    guard code == 0 else {
      close(ends[0])
      throw TestFailure("can't start \(program): \(String(cString: strerror(code)))")
    }
    return (process, ends[0])
  }

  /// Calls `seen` at the start and after each whole line, with the number of lines until then.
  private static func readLines(_ descriptor: Int32, seen: (Int) -> Void) -> [String] {
    var lines: [String] = []
    var line: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    seen(0)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return lines }
      for byte in chunk[..<count] {
        guard byte == 0x0A else {
          line.append(byte)
          continue
        }
        lines.append(String(decoding: line, as: UTF8.self))
        line = []
        seen(lines.count)
      }
    }
  }

  /// The program lies beside the one that runs the tests.
  private static func program() throws -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    guard readlink("/proc/self/exe", &buffer, buffer.count - 1) > 0 else { throw TestFailure("no /proc/self/exe") }
    let path = buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    return path[..<path.lastIndex(of: "/")!] + "/CrashSubject"
  }
}

/// Runs what blocks where it holds up no other test.
package func onOwnThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    do {
      try OwnThread(name: "test") { continuation.resume(with: Swift.Result { try body() }) }.detach()
    } catch {
      continuation.resume(throwing: error)
    }
  }
}
