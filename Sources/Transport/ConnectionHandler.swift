package import HTTP2

/// What answers the streams of one connection, or opens them: gRPC.
package protocol ConnectionHandler: AnyObject {
  /// One thing happened on a stream. For `closed` the handler forgets the stream; the connection recycles it.
  func handle(_ event: HTTP2Event, on connection: Connection)

  /// The peer's SETTINGS are there.
  func opened(_ connection: Connection)

  /// The peer takes no new streams; `code` as in RFC 9113 §7.
  func goingAway(_ connection: Connection, code: UInt32)

  /// What was read or written at once has been handled, and streams that closed are gone.
  func settled(_ connection: Connection)

  /// The answer to a PING of ours.
  func pingAnswered(_ connection: Connection)

  /// The last call: every stream has had its `closed`.
  func closed(_ connection: Connection, reason: CloseReason)
}

/// A server's handler lives by its streams.
extension ConnectionHandler {
  package func opened(_ connection: Connection) {}
  package func goingAway(_ connection: Connection, code: UInt32) {}
  package func settled(_ connection: Connection) {}
  package func pingAnswered(_ connection: Connection) {}
  package func closed(_ connection: Connection, reason: CloseReason) {}
}
