package import HTTP2

/// What answers the streams of one connection: on a server, gRPC.
package protocol ConnectionHandler: AnyObject {
  /// One thing happened on a stream. For `closed` the handler forgets the stream; the connection recycles it.
  func handle(_ event: HTTP2Event, on connection: Connection)
}
