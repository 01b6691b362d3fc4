/// What keeps some bytes from being a string of a message.
///
/// proto3 wants UTF-8; protobuf-c takes anything, and its `char *` ends at the first NUL, so that `name\0rest` would
/// pass for `name`.
enum TextFault {
  case holdsNUL, isNotUTF8
}

/// Finds out whether `bytes` may be a string: nil if so.
@inline(__always)
func textFault(in bytes: UnsafeRawBufferPointer) -> TextFault? {
  var index = 0
  let count = bytes.count
  // Eight ASCII characters at a time. With all top bits clear, subtracting 1 from each byte sets one exactly if there
  // is a NUL among them.
  while count &- index >= 8 {
    let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
    if (word | (word &- 0x0101_0101_0101_0101)) & 0x8080_8080_8080_8080 != 0 {
      return slowTextFault(in: bytes, from: index)
    }
    index &+= 8
  }
  while index < count {
    if bytes[index] &- 1 >= 0x7F { return slowTextFault(in: bytes, from: index) }
    index &+= 1
  }
  return nil
}

/// The same, one scalar at a time. Source: RFC 3629, section 4, "Syntax of UTF-8 Byte Sequences".
@inline(never)
private func slowTextFault(in bytes: UnsafeRawBufferPointer, from start: Int) -> TextFault? {
  var index = start
  while index < bytes.count {
    let lead = bytes[index]
    index += 1
    if lead == 0 { return .holdsNUL }
    if lead < 0x80 { continue }

    // How many bytes follow, and what the first of them may be: it rules out overlong forms, surrogates, and scalars
    // past U+10FFFF.
    let following: Int
    let second: ClosedRange<UInt8>
    switch lead {
    case 0xC2...0xDF: (following, second) = (1, 0x80...0xBF)
    case 0xE0: (following, second) = (2, 0xA0...0xBF)
    case 0xED: (following, second) = (2, 0x80...0x9F)
    case 0xE1...0xEF: (following, second) = (2, 0x80...0xBF)
    case 0xF0: (following, second) = (3, 0x90...0xBF)
    case 0xF4: (following, second) = (3, 0x80...0x8F)
    case 0xF1...0xF3: (following, second) = (3, 0x80...0xBF)
    default: return .isNotUTF8
    }
    guard bytes.count - index >= following, second.contains(bytes[index]) else { return .isNotUTF8 }
    for offset in 1..<max(following, 1) where bytes[index + offset] & 0xC0 != 0x80 { return .isNotUTF8 }
    index += following
  }
  return nil
}
