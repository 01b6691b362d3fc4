package import EventLoops
package import HTTP2

/// Why a connection ended.
package enum CloseReason: Error, Sendable, CustomStringConvertible {
  /// This side closed it.
  case local
  /// The peer closed the socket.
  case peer
  /// Both sides were done: one has said goodbye, and the last stream has ended.
  case finished
  /// No socket, no connection, or a socket that failed: with the system's reason.
  case system(SystemError)
  /// No agreement on TLS, or a broken record: with OpenSSL's reason.
  case tls(String)
  /// What came is not HTTP/2.
  case notHTTP2
  /// The peer broke HTTP/2's rules.
  case protocolError(HTTP2Error)
  /// Connecting, the handshake or the peer's SETTINGS took too long.
  case connectTimeout
  /// A PING was not answered in time.
  case keepaliveTimeout
  /// The peer did not take what was sent in time.
  case stalled

  package var description: String {
    switch self {
    case .local: "it was closed on this side"
    case .peer: "the peer closed it"
    case .finished: "the peer went away"
    case .system(let error): error.description
    case .tls(let reason): reason
    case .notHTTP2: "what came is not HTTP/2: is it the right port, and does it want TLS?"
    case .protocolError(let error): "what came breaks HTTP/2's rules: \(error)"
    case .connectTimeout: "the peer did not answer in the time for connecting"
    case .keepaliveTimeout: "the peer did not answer a PING in time"
    case .stalled: "the peer did not take what was sent"
    }
  }
}
