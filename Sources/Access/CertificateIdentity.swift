package import Inference

/// Who a verified client certificate speaks for, from its names as text.
///
/// The first of these that the certificate has: its SPIFFE ID, its DNS name, the common name of its subject. The transport
/// has checked the certificate by then; here only its names are read.
package enum CertificateIdentity {
  /// The principal `certificate:spiffe://…`, `certificate:dns:<name>` or `certificate:cn:<name>`.
  ///
  /// - Parameters:
  ///   - subject: As RFC 4514 writes it, `CN=scorer,O=Example`, with or without spaces around `,` and `=`; or the older
  ///     `/O=Example/CN=scorer`.
  ///   - alternativeNames: Each `URI:…`, `DNS:…` or another kind, which is passed over. Never several in one
  ///     text: a name may have a comma.
  /// - Throws: `.invalidArgument` if there is no name to go by, or more than one where there must be one.
  package static func principal(subject: String, alternativeNames: [String]) throws(InferenceError) -> PrincipalID {
    let identities = alternativeNames.filter { $0.hasPrefix("URI:spiffe://") }.map { $0.dropFirst(4) }
    if let identity = identities.first {
      // Source: SPIFFE, "X.509-SVID", section 2: "An X.509 SVID MUST contain exactly one URI SAN".
      guard identities.count == 1 else {
        throw .invalidArgument("client certificate: expected one SPIFFE ID, got \(identities.count)")
      }
      guard isSPIFFE(identity) else {
        throw .invalidArgument("client certificate: '\(identity.prefix(128))' is not a SPIFFE ID")
      }
      return try PrincipalID(.certificate, String(identity))
    }
    let hosts = Set(alternativeNames.filter { $0.hasPrefix("DNS:") }.map { $0.dropFirst(4).lowercased() })
    if let host = hosts.first {
      guard hosts.count == 1 else {
        throw .invalidArgument("client certificate: expected one DNS name to go by, got \(hosts.count)")
      }
      guard !host.isEmpty, !host.contains("*"), host.unicodeScalars.allSatisfy({ 0x21...0x7e ~= $0.value }) else {
        throw .invalidArgument("client certificate: the DNS name '\(host.prefix(128))' names no single host")
      }
      return try PrincipalID(.certificate, "dns:\(host)")
    }
    let commonNames = try DistinguishedName.values(of: "CN", in: subject)
    guard let name = commonNames.first, !name.isEmpty, commonNames.count == 1 else {
      throw .invalidArgument(
        "client certificate: expected a SPIFFE ID, a DNS name or one common name, got \(commonNames.count) common names")
    }
    return try PrincipalID(.certificate, "cn:\(name)")
  }

  /// Source: SPIFFE, "The SPIFFE Identity and Verifiable Identity Document", section 2.
  private static func isSPIFFE(_ text: Substring) -> Bool {
    guard text.utf8.count <= 2048 else { return false }
    let parts = text.dropFirst("spiffe://".count).split(separator: "/", omittingEmptySubsequences: false)
    let domain = parts[0]
    guard !domain.isEmpty, domain.utf8.count <= 255, domain.utf8.allSatisfy({ isPlain($0, upperCase: false) }) else {
      return false
    }
    return parts.dropFirst().allSatisfy { segment in
      !segment.isEmpty && segment != "." && segment != ".." && segment.utf8.allSatisfy { isPlain($0, upperCase: true) }
    }
  }

  private static func isPlain(_ byte: UInt8, upperCase: Bool) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."),
      UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): upperCase
    default: false
    }
  }
}

/// The text form of a certificate's subject. Source: RFC 4514, section 2; OpenSSL's `X509_NAME_oneline` for the older one.
enum DistinguishedName {
  /// The values of one attribute, in the order of the text.
  ///
  /// - Throws: `.invalidArgument` if the text ends in the middle of an escape or a quotation.
  static func values(of attribute: String, in text: String) throws(InferenceError) -> [String] {
    let bytes = Array(text.utf8)
    if bytes.first == UInt8(ascii: "/") { return try older(attribute, text) }
    var values: [String] = []
    var position = 0
    while position < bytes.count {
      guard let equals = bytes[position...].firstIndex(of: UInt8(ascii: "=")) else { break }
      let type = trimmed(bytes[position..<equals])
      position = equals + 1
      let value = try value(bytes, &position)
      if type.lowercased() == attribute.lowercased() { values.append(value) }
    }
    return values
  }

  /// Reads a value and the separator after it.
  private static func value(_ bytes: [UInt8], _ position: inout Int) throws(InferenceError) -> String {
    var value: [UInt8] = []
    var isQuoted = false
    // Spaces at the end are not part of the value, unless escaped: up to here it is settled.
    var settled = 0
    while position < bytes.count, bytes[position] == UInt8(ascii: " ") { position += 1 }
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\\"):
        guard position < bytes.count else { throw broken("an escape") }
        if position + 1 < bytes.count,
          let pair = Hexadecimal.bytes(String(decoding: bytes[position...(position + 1)], as: UTF8.self))
        {
          value += pair
          position += 2
        } else {
          value.append(bytes[position])
          position += 1
        }
        settled = value.count
      case UInt8(ascii: "\""):
        isQuoted.toggle()
        settled = value.count
      case UInt8(ascii: ","), UInt8(ascii: "+"), UInt8(ascii: ";"):
        if !isQuoted { return finished(value, settled) }
        value.append(byte)
      default:
        value.append(byte)
      }
    }
    guard !isQuoted else { throw broken("a quotation") }
    return finished(value, settled)
  }

  /// `/O=Example/CN=scorer`. It has no escapes, so a value that may hold a `/` makes it ambiguous: then there are more
  /// common names than one, which the caller refuses, or a part without `=`.
  private static func older(_ attribute: String, _ text: String) throws(InferenceError) -> [String] {
    var values: [String] = []
    for part in text.split(separator: "/") {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard pair.count == 2 else { throw broken("an attribute") }
      if pair[0].lowercased() == attribute.lowercased() { values.append(String(pair[1])) }
    }
    return values
  }

  private static func finished(_ value: [UInt8], _ settled: Int) -> String {
    var end = value.count
    while end > settled, value[end - 1] == UInt8(ascii: " ") { end -= 1 }
    return String(decoding: value[..<end], as: UTF8.self)
  }

  private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
    let space = UInt8(ascii: " ")
    let start = bytes.firstIndex { $0 != space } ?? bytes.endIndex
    let end = bytes.lastIndex { $0 != space }.map { $0 + 1 } ?? start
    return String(decoding: bytes[start..<max(start, end)], as: UTF8.self)
  }

  private static func broken(_ what: String) -> InferenceError {
    .invalidArgument("client certificate: the subject ends in the middle of \(what)")
  }
}
