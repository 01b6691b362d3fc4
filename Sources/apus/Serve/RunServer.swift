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
  let server = try Server(configuration, version: apusVersion)
  try server.listen()
  Task {
    do {
      try await server.listenHTTP()
      try await server.loadModels()
    } catch {
      ExitStatus.say("apus: \(ExitStatus.text(of: error))")
      exit(ExitStatus.failed.rawValue)
    }
  }
  _ = ShutdownSignals.wait()

  // Never joined: it ends with the process, with the number by which shells report one that a signal ended.
  try OwnThread(name: "apus-signals") { _exit(128 + ShutdownSignals.wait()) }.detach()
  let stopped = Latch(count: 1)
  Task {
    await server.drainAndStop()
    stopped.countDown()
  }
  stopped.wait()
}
