internal import COpenSSL
internal import Threads

/// What servers gave a client to take up where it left off: the newest session of each target. Any thread.
///
/// Source: RFC 8446 §2.2, RFC 5077. A session is bound to the name that the certificate was checked against, so that name is
/// part of the target.
final class TLSSessions: Sendable {
  private struct Store: @unchecked Sendable {  // OpenSSL counts a session's references with atomics
    var sessions: [String: OpaquePointer] = [:]
  }

  private let store = Locked(Store())
  private static let limit = 1024

  deinit {
    store.withLock { store in
      for session in store.sessions.values { SSL_SESSION_free(session) }
    }
  }

  /// Has `ssl` offer the target's session, if there is one.
  func offer(to ssl: OpaquePointer, target: String) {
    store.withLock { store in
      if let session = store.sessions[target], SSL_SESSION_is_resumable(session) == 1 { SSL_set_session(ssl, session) }
    }
  }

  /// - Parameter session: Its count is taken over.
  fileprivate func keep(_ session: OpaquePointer, target: String) {
    store.withLock { store in
      if store.sessions.count >= Self.limit, store.sessions[target] == nil, let other = store.sessions.popFirst() {
        SSL_SESSION_free(other.value)
      }
      if let old = store.sessions.updateValue(session, forKey: target) { SSL_SESSION_free(old) }
    }
  }
}

/// Where a stream's sessions go; OpenSSL keeps a pointer to it with the stream.
final class TLSSessionTarget {
  fileprivate let sessions: TLSSessions
  let name: String

  init(_ name: String, in sessions: TLSSessions) {
    self.name = name
    self.sessions = sessions
  }
}

/// Called when the server has given a session: under TLS 1.3 some time after the handshake. 1: the session is kept.
func keepSession(_ ssl: OpaquePointer?, _ session: OpaquePointer?) -> Int32 {
  guard let session, let kept = SSL_get_ex_data(ssl, 0) else { return 0 }
  Unmanaged<TLSSessionTarget>.fromOpaque(kept)._withUnsafeGuaranteedRef { $0.sessions.keep(session, target: $0.name) }
  return 1
}
