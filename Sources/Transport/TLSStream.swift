internal import COpenSSL
internal import Glibc

/// TLS on one socket: bytes in the clear on this side, records on the descriptor.
///
/// OpenSSL reads and writes the descriptor itself, which costs a copy less than memory BIOs. Works with blocking and
/// non-blocking descriptors. A class, so that an optional of it can live in a connection; belongs to one thread.
package final class TLSStream {
  package enum Outcome: Equatable {
    case bytes(Int)
    /// Call again when the descriptor is readable.
    case wantsRead
    /// Call again when the descriptor is writable.
    case wantsWrite
    /// The peer ended the connection.
    case closed
    /// With OpenSSL's reason.
    case failed(String)
  }

  private let ssl: OpaquePointer
  /// OpenSSL has a pointer to it.
  private let sessionTarget: TLSSessionTarget?
  package private(set) var isEstablished = false

  package enum Side {
    case server
    /// - Parameters:
    ///   - host: What the server's certificate must be for.
    ///   - target: Whom the newest session is kept for, and offered to again. Nil: none is.
    case client(host: String, target: String? = nil)
  }

  /// Whether a session was taken up again: no certificate was sent or checked. Meaningful after the handshake.
  package var wasResumed: Bool { SSL_session_reused(ssl) == 1 }

  /// Whether what is written to the descriptor is encrypted by the kernel (kTLS). Set by the handshake.
  private(set) var sendsInKernel = false

  package init(_ context: TLSContext, descriptor: Int32, side: Side) throws(TLSError) {
    guard let ssl = SSL_new(context.raw) else { throw .last("make a TLS stream") }
    self.ssl = ssl
    if case .client(let host, let target?) = side {
      sessionTarget = TLSSessionTarget("\(host) at \(target)", in: context.sessions)
    } else {
      sessionTarget = nil
    }
    SSL_set_fd(ssl, descriptor)
    switch side {
    case .server:
      SSL_set_accept_state(ssl)
    case .client(let host, _):
      SSL_set_connect_state(ssl)
      if let sessionTarget {
        SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(sessionTarget).toOpaque())
        context.sessions.offer(to: ssl, target: sessionTarget.name)
      }
      // A name is sent as SNI and must be in the certificate; an address must be in it as such.
      let parameters = SSL_get0_param(ssl)
      if X509_VERIFY_PARAM_set1_ip_asc(parameters, host) != 1 {
        X509_VERIFY_PARAM_set1_host(parameters, host, 0)
        // SSL_set_tlsext_host_name is a macro over SSL_ctrl.
        _ = host.withCString {
          SSL_ctrl(
            ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, Int(TLSEXT_NAMETYPE_host_name), UnsafeMutableRawPointer(mutating: $0))
        }
      }
    }
  }

  deinit { SSL_free(ssl) }

  /// Goes on with the handshake. `.bytes(0)` when it is complete.
  package func handshake() -> Outcome {
    ERR_clear_error()
    let result = SSL_do_handshake(ssl)
    guard result == 1 else { return outcome(of: result) }
    isEstablished = true
    // BIO_get_ktls_send is a macro over BIO_ctrl.
    sendsInKernel = BIO_ctrl(SSL_get_wbio(ssl), BIO_CTRL_GET_KTLS_SEND, 0, nil) == 1
    return .bytes(0)
  }

  /// Whether the peer agreed on HTTP/2 (ALPN). Meaningful after the handshake.
  package var speaksHTTP2: Bool {
    var name: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    SSL_get0_alpn_selected(ssl, &name, &count)
    guard let name, count == 2 else { return false }
    return name[0] == UInt8(ascii: "h") && name[1] == UInt8(ascii: "2")
  }

  /// The peer's certificate, if it has shown one and that is good. Meaningful after the handshake; with a session that was
  /// taken up again it is the one of then.
  package var peerCertificate: PeerCertificate? {
    guard let certificate = SSL_get0_peer_certificate(ssl), SSL_get_verify_result(ssl) == Int(X509_V_OK) else {
      return nil
    }
    return PeerCertificate(certificate)
  }

  package func read(into buffer: UnsafeMutableRawBufferPointer) -> Outcome {
    ERR_clear_error()
    let count = SSL_read(ssl, buffer.baseAddress, Int32(clamping: buffer.count))
    return count > 0 ? .bytes(Int(count)) : outcome(of: count)
  }

  /// After `.wantsRead` or `.wantsWrite` the next write must begin with the same bytes.
  package func write(_ bytes: UnsafeRawBufferPointer) -> Outcome {
    ERR_clear_error()
    let count = SSL_write(ssl, bytes.baseAddress, Int32(clamping: bytes.count))
    return count > 0 ? .bytes(Int(count)) : outcome(of: count)
  }

  /// Decrypted bytes that wait inside, which the descriptor's readiness does not show.
  package var hasBufferedInput: Bool { SSL_pending(ssl) > 0 }

  /// Tells the peer that no more will come. Does not wait for its answer.
  package func sendCloseNotice() {
    ERR_clear_error()
    if isEstablished { SSL_shutdown(ssl) }
  }

  private func outcome(of result: Int32) -> Outcome {
    let savedNumber = errno
    switch SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ: return .wantsRead
    case SSL_ERROR_WANT_WRITE: return .wantsWrite
    case SSL_ERROR_ZERO_RETURN: return .closed
    case SSL_ERROR_SYSCALL where ERR_peek_error() == 0:
      return savedNumber == 0 ? .closed : .failed(String(cString: strerror(savedNumber)))
    default: return .failed(TLSError.last("TLS").description)
    }
  }
}
