internal import HTTP2

/// `grpc-message`: UTF-8 with everything but printable ASCII, and the percent sign, as %XX.
///
/// Source: gRPC over HTTP2, "Responses", Percent-Encoded.
package func percentEncoded(_ message: String) -> [UInt8] {
  let digits = Array("0123456789ABCDEF".utf8)
  var encoded: [UInt8] = []
  encoded.reserveCapacity(message.utf8.count)
  for byte in message.utf8 {
    if (0x20...0x7e).contains(byte), byte != UInt8(ascii: "%") {
      encoded.append(byte)
    } else {
      encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
  }
  return encoded
}

/// The reverse. What is not a valid escape is kept as it came, as the specification asks.
package func percentDecoded(_ bytes: some Collection<UInt8>) -> String {
  let bytes = Array(bytes)
  var decoded: [UInt8] = []
  var index = 0
  while index < bytes.count {
    if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
      let high = hexDigit(bytes[index + 1]), let low = hexDigit(bytes[index + 2])
    {
      decoded.append(high << 4 | low)
      index += 3
    } else {
      decoded.append(bytes[index])
      index += 1
    }
  }
  return String(decoding: decoded, as: UTF8.self)
}

private func hexDigit(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
  default: nil
  }
}

/// Base64 without padding, as `-bin` metadata is sent (gRPC over HTTP2, "Requests", Binary-Header).
package func base64Encoded(_ bytes: some Sequence<UInt8>) -> [UInt8] {
  let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  var encoded: [UInt8] = []
  var bits: UInt32 = 0
  var bitCount = 0
  for byte in bytes {
    bits = bits << 8 | UInt32(byte)
    bitCount += 8
    while bitCount >= 6 {
      bitCount -= 6
      encoded.append(alphabet[Int(bits >> UInt32(bitCount) & 63)])
    }
  }
  if bitCount > 0 { encoded.append(alphabet[Int(bits << UInt32(6 - bitCount) & 63)]) }
  return encoded
}

/// The reverse, with or without padding. Nil if a character is not of the alphabet.
package func base64Decoded(_ text: some Sequence<UInt8>) -> [UInt8]? {
  var decoded: [UInt8] = []
  var bits: UInt32 = 0
  var bitCount = 0
  for character in text where character != UInt8(ascii: "=") {
    let value: UInt8
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - UInt8(ascii: "A")
    case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a") + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0") + 52
    case UInt8(ascii: "+"), UInt8(ascii: "-"): value = 62
    case UInt8(ascii: "/"), UInt8(ascii: "_"): value = 63
    default: return nil
    }
    bits = bits << 6 | UInt32(value)
    bitCount += 6
    if bitCount >= 8 {
      bitCount -= 8
      decoded.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
    }
  }
  return decoded
}

extension GRPCStatus {
  /// Writes the status as header fields: trailers, or the tail of a trailers-only answer.
  func write(to block: inout HeaderBlock) {
    block.append(name: "grpc-status", value: String(code.rawValue))
    if !message.isEmpty {
      percentEncoded(shortened).withUnsafeBytes { block.append(name: "grpc-message", value: $0) }
    }
    if !details.isEmpty {
      base64Encoded(details).withUnsafeBytes { block.append(name: "grpc-status-details-bin", value: $0) }
    }
  }
}

extension GRPCStatus {
  /// The message, cut so that clients take it: they limit a header list to some 8 or 16 KiB.
  private var shortened: String {
    let limit = 2048
    guard message.utf8.count > limit else { return message }
    var end = message.utf8.index(message.startIndex, offsetBy: limit)
    while end.samePosition(in: message.unicodeScalars) == nil { end = message.utf8.index(before: end) }
    return message[..<end] + "…"
  }
}
