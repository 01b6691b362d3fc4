internal import Foundation
internal import LoadTesting
internal import Threads

/// Ctrl-C and SIGTERM: the first ends the load test with a report, the second the program.
final class LoadSignals: Sendable {
  private let run = Locked<LoadRun?>(nil)

  /// From here on; until `interrupt(_:)` the first ends the program.
  init() {
    ShutdownSignals.block()
    let run = run
    // Without a thread nothing waits for them, and only SIGKILL ends the program: as likely as that it can't run at all.
    let thread = try? OwnThread(name: "signals") {
      while true {
        let number = ShutdownSignals.wait()
        guard let running = run.withLock({ $0 }), !running.isInterrupted else { _exit(128 + number) }
        running.interrupt()
      }
    }
    thread?.detach()
  }

  func interrupt(_ run: LoadRun) { self.run.withLock { $0 = run } }
}
