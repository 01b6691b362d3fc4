internal import Backends
internal import CONNXRuntime
internal import Inference
internal import Threads

/// The options of one instance's runs, whose terminate flag stops the current one between two nodes.
///
/// ```
/// instance:   reset ──▶ run ───────────────▶ fails with .cancelled
/// any thread:       ▲ interrupt, here or ▲ here
/// ```
/// An `interrupt()` after `reset()` and before the run has begun is kept by the flag: the run stops at its first node.
///
/// `@unchecked Sendable`: the library's flag is only touched under the lock; `Run` reads it by design.
final class RunInterruption: Interruption, @unchecked Sendable {
  let options: OpaquePointer  // OrtRunOptions *
  private let api: OrtAPI
  private let requested = Locked(false)

  init(_ api: OrtAPI, arenaShrinkage: String?) throws(OrtError) {
    self.api = api
    options = try api.create { api.CreateRunOptions($0) }
    do throws(OrtError) {
      // What a failing node logs as an error is in the error that the caller gets, and must not fill the server's log.
      try api.check(api.RunOptionsSetRunLogSeverityLevel(options, ONNXLogSeverity.fatal.rawValue))
      if let arenaShrinkage {
        try api.check(api.AddRunConfigEntry(options, "memory.enable_memory_arena_shrinkage", arenaShrinkage))
      }
    } catch {
      api.ReleaseRunOptions(options)
      throw error
    }
  }

  deinit { api.ReleaseRunOptions(options) }

  func interrupt() {
    requested.withLock { requested in
      requested = true
      api.ignore(api.RunOptionsSetTerminate(options))
    }
  }

  func reset() {
    requested.withLock { requested in
      guard requested else { return }
      requested = false
      api.ignore(api.RunOptionsUnsetTerminate(options))
    }
  }

  var isRequested: Bool { requested.withLock { $0 } }
}
