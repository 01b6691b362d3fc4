package import GRPC
package import HTTP2
package import Transport

/// How one connection to a server is made and kept.
package struct ClientConnectionOptions {
  /// Nil: in the clear.
  package var tls: TLSContext?
  /// The name that the server's certificate must bear, sent as SNI.
  package var serverName = "localhost"
  /// `:authority` of every call.
  package var authority = "localhost"
  /// Empty: none is sent.
  package var userAgent = "apus-client"

  /// From the first packet to the server's SETTINGS; zero: as long as the system tries.
  package var connectTimeout = Duration.seconds(20)
  /// Without a byte from the server for so long, a PING is sent; zero: never (gRPC proposal A8).
  package var keepaliveTime = Duration.zero
  /// Without its answer for so long, the connection is closed.
  package var keepaliveTimeout = Duration.seconds(20)
  /// Whether that is done while no call is open. Servers close connections for it, unless they are told to allow it.
  package var keepaliveWithoutCalls = false

  /// Largest message of an answer, before and after decompression, in bytes.
  package var maxMessageBytes = 256 << 20
  /// What the server is told: windows, and the limit on header lists.
  package var http2 = HTTP2Settings()
  /// How this side's messages are compressed.
  package var sendEncoding = MessageEncoding.identity
  /// Whether the server may compress answers. That rarely pays for tensors.
  package var acceptsCompression = false

  package init() {}

  var times: ConnectionTimes {
    var times = ConnectionTimes()
    times.handshakeTimeout = connectTimeout
    times.keepaliveTime = keepaliveTime
    times.keepaliveTimeout = keepaliveTimeout
    times.keepaliveWithoutStreams = keepaliveWithoutCalls
    return times
  }
}
