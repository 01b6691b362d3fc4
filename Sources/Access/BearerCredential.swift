/// The form `Bearer <text>` of the header `authorization`. Source: RFC 6750, section 2.1; RFC 9110, section 11.1: the
/// scheme's name is case-insensitive.
package enum BearerCredential {
  /// The key or token; nil for another scheme or none. Spaces around it are not part of it.
  package static func text(of authorization: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    let scheme: StaticString = "bearer"
    let schemeBytes = scheme.utf8CodeUnitCount
    guard authorization.count > schemeBytes + 1 else { return nil }
    var index = 0
    while index < schemeBytes {
      // Lower case by setting one bit: what isn't a letter can't become one of these six that way.
      guard authorization[index] | 0x20 == scheme.utf8Start[index] else { return nil }
      index &+= 1
    }
    let space = UInt8(ascii: " ")
    guard authorization[index] == space else { return nil }
    var end = authorization.count
    while index < end, authorization[index] == space { index &+= 1 }
    while end > index, authorization[end &- 1] == space { end &-= 1 }
    return index < end ? UnsafeRawBufferPointer(rebasing: authorization[index..<end]) : nil
  }

  /// The same as text.
  package static func text(of authorization: [UInt8]) -> String? {
    authorization.withUnsafeBytes { text(of: $0).map { String(decoding: $0, as: UTF8.self) } }
  }

  /// Whether it begins as the base64url text of `{"` or `{ ` does, as every JSON Web Token.
  static func mayBeToken(_ credential: UnsafeRawBufferPointer) -> Bool {
    credential.count > 2 && credential[0] == UInt8(ascii: "e") && credential[1] == UInt8(ascii: "y")
  }
}
