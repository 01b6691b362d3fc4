internal import Crypto

/// The SHA-256 of some bytes: their name in the store.
package struct Digest: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// 64 digits, lower case.
  package let hex: String

  /// Nil unless it is 64 hexadecimal digits in lower case.
  package init?(hex: some StringProtocol) {
    guard hex.utf8.count == 64, hex.utf8.allSatisfy(Self.isHexDigit) else { return nil }
    self.hex = String(hex)
  }

  package init(of bytes: [UInt8]) {
    var running = RunningDigest()
    bytes.withUnsafeBytes { running.update($0) }
    self = running.finish()
  }

  fileprivate init(bytes: some Sequence<UInt8>) {
    let digits = Array("0123456789abcdef".utf8)
    hex = String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  package static func < (one: Digest, other: Digest) -> Bool { one.hex < other.hex }
  package var description: String { hex }

  /// Of no bytes at all.
  static let empty = Digest(of: [])

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }
}

/// The digest of bytes that come piece by piece.
package struct RunningDigest: Sendable {
  private var hash = SHA256()

  package init() {}

  package mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }
  package func finish() -> Digest { Digest(bytes: hash.finalize()) }
}
