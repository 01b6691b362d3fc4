internal import COpenSSL
internal import Glibc

/// How the server proves who it is, and whom it lets in.
package struct TLSConfiguration: Sendable, Hashable {
  /// PEM: the server's certificate and those between it and a root.
  package var certificateFile: String
  /// PEM.
  package var keyFile: String
  /// PEM: the roots that client certificates must come from. Empty: clients need no certificate.
  package var clientCAFile = ""
  /// Whether a client without a certificate is refused; needs `clientCAFile`.
  package var requiresClientCertificate = false

  package init(certificateFile: String, keyFile: String) {
    self.certificateFile = certificateFile
    self.keyFile = keyFile
  }
}

/// A certificate, key or setting that OpenSSL refused, with its reason.
package struct TLSError: Error, CustomStringConvertible {
  package let description: String

  /// Takes the oldest reason from OpenSSL's queue and empties it.
  static func last(_ what: String) -> TLSError {
    var text = [CChar](repeating: 0, count: 256)
    let code = ERR_get_error()
    ERR_error_string_n(code, &text, text.count)
    ERR_clear_error()
    let end = text.firstIndex(of: 0) ?? text.count
    let reason = String(decoding: text[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return TLSError(description: code == 0 ? what : "\(what): \(reason)")
  }
}

/// TLS 1.2 and 1.3 with ALPN `h2`. Source: RFC 9113 §9.2, RFC 7301.
package final class TLSContext: @unchecked Sendable {  // OpenSSL counts and locks inside SSL_CTX; never changed after init
  let raw: OpaquePointer
  /// A client's.
  let sessions = TLSSessions()

  /// A server's context.
  package init(server configuration: TLSConfiguration) throws(TLSError) {
    guard let context = SSL_CTX_new(TLS_server_method()) else { throw .last("make a TLS context") }
    raw = context
    restrict()
    guard SSL_CTX_use_certificate_chain_file(raw, configuration.certificateFile) == 1 else {
      throw .last("read certificate \(configuration.certificateFile)")
    }
    guard SSL_CTX_use_PrivateKey_file(raw, configuration.keyFile, SSL_FILETYPE_PEM) == 1 else {
      throw .last("read key \(configuration.keyFile)")
    }
    guard SSL_CTX_check_private_key(raw) == 1 else {
      throw .last("key \(configuration.keyFile) does not belong to certificate \(configuration.certificateFile)")
    }
    if !configuration.clientCAFile.isEmpty {
      guard SSL_CTX_load_verify_locations(raw, configuration.clientCAFile, nil) == 1 else {
        throw .last("read client CA \(configuration.clientCAFile)")
      }
      SSL_CTX_set_client_CA_list(raw, SSL_load_client_CA_file(configuration.clientCAFile))
      let mode = SSL_VERIFY_PEER | (configuration.requiresClientCertificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0)
      SSL_CTX_set_verify(raw, mode, nil)
    }
    SSL_CTX_set_alpn_select_cb(raw, selectH2, nil)
    let name = Array("apus".utf8)
    SSL_CTX_set_session_id_context(raw, name, UInt32(name.count))
    // Sessions are taken up again by tickets, which any loop can open: nothing is kept here for a client.
    // SSL_CTX_set_session_cache_mode is a macro over SSL_CTX_ctrl.
    SSL_CTX_ctrl(raw, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_OFF), nil)
  }

  /// A client's context. Empty paths: the system's roots, no certificate of its own.
  package init(
    clientTrusting rootsFile: String, certificateFile: String = "", keyFile: String = ""
  ) throws(TLSError) {
    guard let context = SSL_CTX_new(TLS_client_method()) else { throw .last("make a TLS context") }
    raw = context
    restrict()
    if rootsFile.isEmpty {
      SSL_CTX_set_default_verify_paths(raw)
    } else if SSL_CTX_load_verify_locations(raw, rootsFile, nil) != 1 {
      throw .last("read roots \(rootsFile)")
    }
    if !certificateFile.isEmpty {
      guard SSL_CTX_use_certificate_chain_file(raw, certificateFile) == 1 else {
        throw .last("read certificate \(certificateFile)")
      }
      guard SSL_CTX_use_PrivateKey_file(raw, keyFile, SSL_FILETYPE_PEM) == 1 else { throw .last("read key \(keyFile)") }
    }
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nil)
    SSL_CTX_set_alpn_protos(raw, h2Protocol, UInt32(h2Protocol.count))
    SSL_CTX_ctrl(raw, SSL_CTRL_SET_SESS_CACHE_MODE, Int(SSL_SESS_CACHE_CLIENT | noInternalCache), nil)
    SSL_CTX_sess_set_new_cb(raw, keepSession)
  }

  deinit { SSL_CTX_free(raw) }

  private func restrict() {
    // OpenSSL writes with write(2), which raises SIGPIPE where the peer is gone, and that ends the process.
    signal(SIGPIPE, SIG_IGN)
    // SSL_CTX_set_min_proto_version and SSL_CTX_set_mode are macros over SSL_CTX_ctrl.
    SSL_CTX_ctrl(raw, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(TLS1_2_VERSION), nil)
    let mode = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS
    SSL_CTX_ctrl(raw, SSL_CTRL_MODE, Int(mode), nil)
    // RFC 9113 §9.2.1: no renegotiation, no compression. §9.2.2: only ephemeral AEAD suites under TLS 1.2.
    SSL_CTX_set_options(raw, noCompression | noRenegotiation | enableKTLS)
    SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM:ECDHE+CHACHA20")
  }
}

private let h2Protocol: [UInt8] = [2] + Array("h2".utf8)
// openssl/ssl.h writes these as macro calls, which Swift does not import.
private let noCompression: UInt64 = 1 << 17  // SSL_OP_NO_COMPRESSION
private let noRenegotiation: UInt64 = 1 << 30  // SSL_OP_NO_RENEGOTIATION
private let enableKTLS: UInt64 = 1 << 3  // SSL_OP_ENABLE_KTLS: records are made by the kernel, where it can
private let noInternalCache: Int32 = 0x300  // SSL_SESS_CACHE_NO_INTERNAL

private func selectH2(
  _ ssl: OpaquePointer?, _ selected: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
  _ selectedCount: UnsafeMutablePointer<UInt8>?, _ offered: UnsafePointer<UInt8>?, _ offeredCount: UInt32,
  _ argument: UnsafeMutableRawPointer?
) -> Int32 {
  guard let offered, let selected, let selectedCount else { return SSL_TLSEXT_ERR_ALERT_FATAL }
  var position = 0
  while position < Int(offeredCount) {
    let count = Int(offered[position])
    guard position + 1 + count <= Int(offeredCount) else { break }
    if count == 2, offered[position + 1] == UInt8(ascii: "h"), offered[position + 2] == UInt8(ascii: "2") {
      selected.pointee = offered + position + 1
      selectedCount.pointee = 2
      return SSL_TLSEXT_ERR_OK
    }
    position += 1 + count
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL  // the client hears no_application_protocol
}
