/// What happened on a session while bytes were received or sent. nghttp2's callbacks record; the caller decides.
package struct HTTP2Event {
  package enum Kind: UInt8 {
    /// The request's (on a client the response's) header block is complete.
    case headers
    /// A header block after the body is complete.
    case trailers
    /// `bytes` of the body; valid until the next `receive`.
    case data
    /// The peer will send no more on the stream.
    case endOfStream
    /// The stream is gone, with `code` as in RST_STREAM (RFC 9113 §7). The receiver of the event calls `recycle`.
    case closed
    /// Everything that was enqueued on the stream has been collected, and `reportsDrain` was set.
    case drained
    /// The answer to our PING.
    case pingAcknowledged
    /// The peer sent a PING. nghttp2 has answered it already. `code` is 1 where HEADERS or DATA went to the peer since
    /// its last one, else 0.
    case pingReceived
    /// The peer is going away, with `code`.
    case goAway
  }

  package var kind: Kind
  /// Nil for connection-level events.
  package var stream: StreamPointer?
  package var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
  package var code: UInt32 = 0
}

/// A connection that can't go on: nghttp2's reason. What is pending (a GOAWAY) should be sent, then the socket closed.
package struct HTTP2Error: Error, CustomStringConvertible {
  /// An `NGHTTP2_ERR_…` number.
  package let code: Int32
  package let description: String
}
