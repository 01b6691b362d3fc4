package import HTTP2

/// What clients may take of this server, and for how long. Every queue and buffer behind a socket is bounded by one of
/// these; docs/configuration.md lists them with their flags.
package struct ServerLimits: Sendable {
  package var http2 = HTTP2Settings()
  /// Largest message, before and after decompression, in bytes.
  package var maxMessageBytes = 256 << 20
  /// Received messages and unsent answers held at once by the whole server, in bytes.
  package var memoryBytes = 2 << 30
  /// The same for one connection; past it the connection's flow-control window stays closed.
  package var connectionBytes = 256 << 20
  /// Connections open at once on one event loop; further ones are closed at once.
  package var maxConnectionsPerLoop = 10_000

  /// From accept to the end of the TLS handshake and HTTP/2 preface.
  package var handshakeTimeout = Duration.seconds(10)
  /// A connection without calls is told to go away after this; zero: never.
  package var idleTimeout = Duration.seconds(600)
  /// After this long without a byte from the peer a PING is sent; zero: never.
  package var keepaliveTime = Duration.seconds(60)
  /// How long the answer to that PING may take.
  package var keepaliveTimeout = Duration.seconds(20)
  /// PINGs that come more often than this, without an answer of ours in between, are strikes; the third ends the
  /// connection (gRPC proposal A8).
  package var minPingInterval = Duration.seconds(10)
  /// A connection is told to go away at this age; zero: never. Spread by a tenth so that peers do not all leave at once.
  package var maxConnectionAge = Duration.zero
  /// What calls get to finish after that.
  package var maxConnectionAgeGrace = Duration.seconds(30)
  /// A half-sent message, or an answer that is not collected, may rest this long.
  package var stallTimeout = Duration.seconds(60)

  package init() {}

  /// Those that are about one connection's life.
  package var times: ConnectionTimes {
    var times = ConnectionTimes()
    times.handshakeTimeout = handshakeTimeout
    times.idleTimeout = idleTimeout
    times.keepaliveTime = keepaliveTime
    times.keepaliveTimeout = keepaliveTimeout
    times.minPingInterval = minPingInterval
    times.maxConnectionAge = maxConnectionAge
    times.stallTimeout = stallTimeout
    return times
  }
}

/// Of all the connections that have the same times, so that an idle one is small.
package final class SharedTimes: Sendable {
  let times: ConnectionTimes

  package init(_ times: ConnectionTimes) { self.times = times }
}

/// How long one connection may take, rest or live, on either side. Zero: no limit.
package struct ConnectionTimes: Sendable {
  /// From the socket's beginning to the peer's SETTINGS.
  package var handshakeTimeout = Duration.zero
  /// Without streams, until it is told to go away.
  package var idleTimeout = Duration.zero
  /// Without a byte from the peer, until it is sent a PING.
  package var keepaliveTime = Duration.zero
  /// Whether that is done without streams too. A server may; a client only where the server allows it (gRPC proposal A8).
  package var keepaliveWithoutStreams = true
  /// Until a PING's answer.
  package var keepaliveTimeout = Duration.zero
  /// Between the peer's PINGs.
  package var minPingInterval = Duration.zero
  package var maxConnectionAge = Duration.zero
  /// Without progress on what waits to be written.
  package var stallTimeout = Duration.zero

  package init() {}

  /// Whether there is any limit on an open connection that has nothing to write.
  var limitsOpenConnections: Bool { idleTimeout > .zero || keepaliveTime > .zero || maxConnectionAge > .zero }
}
