internal import NIOCore
internal import Threads

/// What a request must know of the connection or stream that it came on, and the other way round.
final class ConnectionWatch: Sendable {
  private struct State {
    var hasEndedBody = false
    var isGone = false
    var closesAfterResponse = false
    var onGone: (@Sendable () -> Void)?
    var connection: UInt = 0
    var certificate = ""
  }

  private let state = Locked(State())

  /// Whether the request came to its end. A body that merely stops, because the client is gone, looks whole otherwise.
  var hasEndedBody: Bool { state.withLock { $0.hasEndedBody } }
  var closesAfterResponse: Bool { state.withLock { $0.closesAfterResponse } }

  /// The same for all streams of one connection, and for no other that is open.
  var connection: UInt { state.withLock { $0.connection } }

  /// Who the client is by its certificate; empty: nobody knows.
  var certificate: String { state.withLock { $0.certificate } }

  func begin(on connection: any Channel, certificate: String) {
    state.withLock { state in
      state.connection = UInt(bitPattern: ObjectIdentifier(connection))
      state.certificate = certificate
    }
  }

  func beginRequest() {
    state.withLock { state in
      state.hasEndedBody = false
      state.closesAfterResponse = false
    }
  }

  func endBody() { state.withLock { $0.hasEndedBody = true } }

  /// Has the connection closed when the response is out.
  func closeAfterResponse() { state.withLock { $0.closesAfterResponse = true } }

  /// The client has gone, or will send nothing more.
  func leave() {
    let action = state.withLock { state in
      state.isGone = true
      return state.onGone
    }
    action?()
  }

  /// Runs `action` when the client goes; at once, if it is gone.
  func whenGone(_ action: @escaping @Sendable () -> Void) {
    let isGone = state.withLock { state in
      state.onGone = action
      return state.isGone
    }
    if isGone { action() }
  }

  func forget() { state.withLock { $0.onGone = nil } }
}

/// The watches of all open connections and streams, by their channel.
final class ConnectionRegistry: Sendable {
  private let watches = Locked<[ObjectIdentifier: ConnectionWatch]>([:])

  func watch(of channel: any Channel) -> ConnectionWatch? {
    let key = ObjectIdentifier(channel)
    return watches.withLock { $0[key] }
  }

  func add(_ watch: ConnectionWatch, for channel: any Channel) {
    let key = ObjectIdentifier(channel)
    watches.withLock { $0[key] = watch }
  }

  func remove(_ channel: any Channel) {
    let key = ObjectIdentifier(channel)
    _ = watches.withLock { $0.removeValue(forKey: key) }
  }
}
