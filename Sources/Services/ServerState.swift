package import Control
internal import Inference
internal import Synchronization

/// What every service must know of the server as a whole: its models, its name, and whether it is stopping.
package final class ServerState: Sendable {
  package let models: ModelLifecycle
  package let version: String
  private let stopping = Atomic<Bool>(false)

  package init(models: ModelLifecycle, version: String) {
    self.models = models
    self.version = version
  }

  package var isStopping: Bool { stopping.load(ordering: .relaxed) }

  /// From now on the server says that it is not ready.
  package func beginStopping() { stopping.store(true, ordering: .relaxed) }

  /// - Throws: `.unavailable` while the server is stopping.
  func checkRunning() throws(InferenceError) {
    if isStopping { throw .unavailable("the server is stopping") }
  }
}
