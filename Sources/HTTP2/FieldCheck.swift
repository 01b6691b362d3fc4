/// Whether a field may stand in a header list: a name without capitals, control characters, spaces and bytes over 0x7e, with
/// a colon only in front, and a value without control characters but the tab.
///
/// Source: RFC 9113 §8.2.1. nghttp2 checks the same, and more that is a request's, at several times the cost: here eight
/// bytes are looked at in one go.
func isValidField(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) -> Bool {
  guard let first = name.first else { return false }
  let rest = first == UInt8(ascii: ":") ? UnsafeRawBufferPointer(rebasing: name.dropFirst()) : name
  return !rest.isEmpty && !contains(rest, isSuspectName, isBadInName) && !contains(value, isSuspectValue, isBadInValue)
}

/// Whether a byte is bad. `isSuspect` is true of eight bytes among which one is, and perhaps of others.
@inline(__always)
private func contains(
  _ bytes: UnsafeRawBufferPointer, _ isSuspect: (UInt64) -> Bool, _ isBad: (UInt8) -> Bool
) -> Bool {
  guard bytes.count >= 8, let start = bytes.baseAddress else {
    for index in 0..<bytes.count where isBad(bytes[index]) { return true }
    return false
  }
  let last = bytes.count - 8
  var offset = 0
  while true {
    // The last word overlaps the one before.
    if isSuspect((start + min(offset, last)).loadUnaligned(as: UInt64.self)) { return bytes.contains(where: isBad) }
    if offset >= last { return false }
    offset += 8
  }
}

private let ones: UInt64 = 0x0101_0101_0101_0101
private let tops: UInt64 = 0x8080_8080_8080_8080

/// The top bit of each byte that is at least `limit`. The bytes are below 128, so nothing is carried over.
@inline(__always)
private func atLeast(_ limit: UInt64, _ word: UInt64) -> UInt64 { word &+ ones &* (0x80 &- limit) }

@inline(__always)
private func isSuspectValue(_ word: UInt64) -> Bool {
  // From 128 on any byte may stand in a value; what is done without its top bit is at worst suspected.
  let low = word & ~tops
  return (~atLeast(0x20, low) | atLeast(0x7f, low)) & tops != 0
}

@inline(__always)
private func isSuspectName(_ word: UInt64) -> Bool {
  let low = word & ~tops
  let colons = atLeast(0x3a, low) & ~atLeast(0x3b, low)
  let capitals = atLeast(0x41, low) & ~atLeast(0x5b, low)
  return (word | ~atLeast(0x21, low) | atLeast(0x7f, low) | colons | capitals) & tops != 0
}

private func isBadInValue(_ byte: UInt8) -> Bool { (byte < 0x20 && byte != 0x09) || byte == 0x7f }

private func isBadInName(_ byte: UInt8) -> Bool {
  byte <= 0x20 || byte >= 0x7f || (0x41...0x5a).contains(byte) || byte == UInt8(ascii: ":")
}
