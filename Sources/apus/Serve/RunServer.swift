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
  let server = try waitFor {
    let server = try await Server(configuration, version: apusVersion)
    try await server.listen()
    return server
  }
  Task {
    do {
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

/// Has the main thread, which the signals come to, wait for what is asynchronous.
private func waitFor<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) throws -> Value {
  let result = Locked<Result<Value, any Error>?>(nil)
  let done = Latch(count: 1)
  Task {
    let outcome: Result<Value, any Error>
    do { outcome = .success(try await work()) } catch { outcome = .failure(error) }
    result.withLock { $0 = outcome }
    done.countDown()
  }
  done.wait()
  guard let outcome = result.withLock({ $0 }) else { preconditionFailure("The work ended without a result. This is a bug.") }
  return try outcome.get()
}
