internal import ApusServer
internal import EventLoops
internal import Foundation

/// Serves until the first SIGTERM or SIGINT and then drains; the second one ends the process at once.
///
/// Called on the main thread with `ShutdownSignals` blocked, and blocks it.
///
/// - Throws: What keeps the server from starting: an address, a certificate.
func runServer(_ configuration: ServerConfiguration) throws {
  let server = try Server(configuration, version: apusVersion)
  let starting = Task {
    do {
      try await server.start()
    } catch {
      ExitStatus.say("apus: \(error)")
      exit(ExitStatus.failed.rawValue)
    }
  }
  _ = ShutdownSignals.wait()

  // Never joined: it ends with the process, with the number by which shells report one that a signal ended.
  _ = try OwnThread { _exit(128 + ShutdownSignals.wait()) }
  let stopped = Latch(count: 1)
  Task {
    await starting.value
    await server.drainAndStop()
    stopped.countDown()
  }
  stopped.wait()
}
