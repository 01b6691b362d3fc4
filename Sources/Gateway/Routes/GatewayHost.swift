package import Inference
package import Serving
package import Wire

/// What the data plane's routes need of the server that they belong to.
package struct GatewayHost: Sendable {
  package var door: GatewayDoor
  package var board: ServingBoard
  /// Of the program.
  package var version: String
  /// Whether the process answers; false while it stops.
  package var isLive: @Sendable () -> Bool = { true }
  /// Whether everything that is to be served is.
  package var isReady: @Sendable () -> Bool = { true }
  /// An error as it is told while the first models still load.
  package var whileStarting: @Sendable (InferenceError) -> InferenceError = { $0 }
  /// What clients have registered; nil: this server shares no memory.
  package var sharedMemory: SharedMemoryRegions?

  package init(door: GatewayDoor, board: ServingBoard, version: String) {
    self.door = door
    self.board = board
    self.version = version
  }

  /// Whether a listener of these planes may serve an endpoint. One that it may not is not there.
  package func serves(_ endpoint: String, _ planes: Set<GatewayListener.Plane>) -> Bool {
    planes.contains(.privateData) || board.read().snapshot.policies[endpoint]?.isPrivate != true
  }
}

/// The models of a repository, for clients that load and unload them.
package struct RepositoryControl: Sendable {
  package struct Entry: Sendable, Hashable {
    package var name: String
    /// Empty for a model of which no version was looked at.
    package var version: String
    /// Such as READY; empty for a model that was never loaded.
    package var state: String
    package var reason: String

    package init(name: String, version: String, state: String, reason: String) {
      self.name = name
      self.version = version
      self.state = state
      self.reason = reason
    }
  }

  package typealias Change =
    @Sendable (_ model: String, _ parameters: [String: RepositoryParameter]) async throws(InferenceError) -> Void

  package var index: @Sendable (_ readyOnly: Bool) throws(InferenceError) -> [Entry]
  package var load: Change
  package var unload: Change

  package init(
    index: @escaping @Sendable (_ readyOnly: Bool) throws(InferenceError) -> [Entry], load: @escaping Change,
    unload: @escaping Change
  ) {
    self.index = index
    self.load = load
    self.unload = unload
  }
}
