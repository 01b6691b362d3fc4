internal import ApusServer
internal import ArgumentParser
internal import Foundation
internal import Threads

/// Serves until the first SIGTERM or SIGINT and then drains; the second one ends the process at once.
///
/// Called on the main thread with `ShutdownSignals` blocked, and blocks it.
///
/// - Throws: What keeps the server from starting: an address, a certificate.
func runServer(_ configuration: ServerConfiguration) throws {
  let hosted = Hosted(server: try Server(configuration, version: apusVersion))
  let starting = Task {
    do {
      try await hosted.server.start()
    } catch {
      ExitStatus.say("apus: \(error)")
      exit(ExitStatus.failed.rawValue)
    }
  }
  _ = ShutdownSignals.wait()

  // Never joined: it ends with the process, with the number by which shells report one that a signal ended.
  _ = try OwnThread(name: "apus-signals") { _exit(128 + ShutdownSignals.wait()) }
  let stopped = Latch(count: 1)
  Task {
    await starting.value
    await hosted.server.drainAndStop()
    stopped.countDown()
  }
  stopped.wait()
}

/// Carries the server from one task to the next.
private struct Hosted: @unchecked Sendable {  // the task that drains waits for the one that starts
  let server: Server
}
