internal import COpenSSL

/// The names in a certificate whose key the peer has, as text.
package struct PeerCertificate: Hashable, Sendable {
  /// As RFC 4514 writes it: `CN=scorer,O=Example`.
  package let subject: String
  /// Each with its kind in front: `URI:spiffe://…` or `DNS:…`. Other kinds are left out.
  package let alternativeNames: [String]

  /// Reads a certificate in DER.
  ///
  /// - Returns: nil if it is none, or has expired.
  package init?(der: [UInt8]) {
    let certificate = der.withUnsafeBufferPointer { bytes -> OpaquePointer? in
      var next = bytes.baseAddress
      return d2i_X509(nil, &next, bytes.count)
    }
    guard let certificate else {
      ERR_clear_error()
      return nil
    }
    defer { X509_free(certificate) }
    self.init(certificate)
  }

  /// - Returns: nil if it has expired: a session that was taken up again may be older than its certificate.
  init?(_ certificate: OpaquePointer) {
    guard X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0 else { return nil }
    guard let subject = PeerCertificate.text(of: X509_get_subject_name(certificate)) else { return nil }
    self.subject = subject
    alternativeNames = PeerCertificate.alternativeNames(of: certificate)
  }

  /// `XN_FLAG_RFC2253`, which openssl/x509.h writes as a sum that Swift does not import.
  private static let asRFC2253: UInt = 0x111_0317

  private static func text(of name: OpaquePointer?) -> String? {
    guard let name, let output = BIO_new(BIO_s_mem()) else { return nil }
    defer { BIO_free(output) }
    guard X509_NAME_print_ex(output, name, 0, asRFC2253) >= 0 else { return nil }
    var start: UnsafeMutablePointer<UInt8>?
    // BIO_get_mem_data is a macro over BIO_ctrl.
    let count = BIO_ctrl(output, BIO_CTRL_INFO, 0, &start)
    guard let start, count > 0 else { return "" }
    return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
  }

  private static func alternativeNames(of certificate: OpaquePointer) -> [String] {
    guard let names = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return [] }
    let list = OpaquePointer(names)
    defer { GENERAL_NAMES_free(list) }
    var texts: [String] = []
    for index in 0..<OPENSSL_sk_num(list) {
      guard let entry = OPENSSL_sk_value(list, index) else { continue }
      var kind: Int32 = 0
      guard let value = GENERAL_NAME_get0_value(entry.assumingMemoryBound(to: GENERAL_NAME.self), &kind) else { continue }
      let prefix: String
      switch kind {
      case GEN_URI: prefix = "URI:"
      case GEN_DNS: prefix = "DNS:"
      default: continue
      }
      let string = value.assumingMemoryBound(to: ASN1_STRING.self)
      let bytes = UnsafeBufferPointer(start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string)))
      texts.append(prefix + String(decoding: bytes, as: UTF8.self))
    }
    return texts
  }
}
