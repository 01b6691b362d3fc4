package import Control
package import Inference
internal import Synchronization

/// What every service must know of the server as a whole: its models, its name, its log, and whether it is stopping.
package final class ServerState: Sendable {
  package let models: ModelLifecycle
  package let version: String
  package let logSettings: LogSettings
  private let stopping = Atomic<Bool>(false)
  private let starting = Atomic<Bool>(true)

  package init(models: ModelLifecycle, version: String, logSettings: LogSettings) {
    self.models = models
    self.version = version
    self.logSettings = logSettings
  }

  package var isStopping: Bool { stopping.load(ordering: .relaxed) }

  /// The models that are there from the start are ready, or have failed.
  package func finishStarting() { starting.store(false, ordering: .relaxed) }

  /// While the first models load, one that is not known yet may be in a moment: come back rather than give up.
  package func whileStarting(_ error: InferenceError) -> InferenceError {
    guard error.code == .notFound, starting.load(ordering: .relaxed) else { return error }
    return .unavailable("\(error.message); the server is starting and still loads its models")
  }

  /// From now on the server says that it is not ready.
  package func beginStopping() { stopping.store(true, ordering: .relaxed) }

  /// - Throws: `.unavailable` while the server is stopping.
  func checkRunning() throws(InferenceError) {
    if isStopping { throw .unavailable("the server is stopping") }
  }
}
