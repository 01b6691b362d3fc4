/// Secret of this process under which credentials are hashed, so that nobody who calls can choose what collides.
package struct HashSeed: Hashable, Sendable {
  var first: UInt64
  var second: UInt64

  package init(using generator: inout some RandomNumberGenerator) {
    first = generator.next()
    second = generator.next()
  }

  /// From the system's random numbers.
  package static func random() -> HashSeed {
    var generator = SystemRandomNumberGenerator()
    return HashSeed(using: &generator)
  }

  init(first: UInt64, second: UInt64) {
    self.first = first
    self.second = second
  }
}

/// 128-bit keyed hash of a run of bytes.
///
/// SipHash-2-4 with the long output: a pseudorandom function, so who doesn't know the seed can neither find two inputs
/// with the same tag nor guess one, except with a chance of 1 in 2^128 for each try.
/// Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, and its reference code for 128 bits.
struct SipTag: Equatable {
  var low: UInt64
  var high: UInt64

  init(_ bytes: UnsafeRawBufferPointer, seed: HashSeed) {
    var state = SipState(seed)
    let words = bytes.count / 8
    var index = 0
    while index < words {
      let word = bytes.loadUnaligned(fromByteOffset: index &* 8, as: UInt64.self)
      state.absorb(UInt64(littleEndian: word))
      index &+= 1
    }
    // The last word: what is left over, and the length's low byte on top.
    var last = UInt64(truncatingIfNeeded: bytes.count) &<< 56
    var offset = words &* 8
    while offset < bytes.count {
      last |= UInt64(bytes[offset]) &<< UInt64(8 &* (offset & 7))
      offset &+= 1
    }
    state.absorb(last)
    state.v2 ^= 0xee
    low = state.squeeze()
    state.v1 ^= 0xdd
    high = state.squeeze()
  }

  /// Takes the same time whatever the tags are.
  static func == (left: SipTag, right: SipTag) -> Bool {
    (left.low ^ right.low) | (left.high ^ right.high) == 0
  }
}

struct SipState {
  var v0: UInt64
  var v1: UInt64
  var v2: UInt64
  var v3: UInt64

  init(_ seed: HashSeed) {
    v0 = seed.first ^ 0x736f_6d65_7073_6575
    v1 = seed.second ^ 0x646f_7261_6e64_6f6d ^ 0xee
    v2 = seed.first ^ 0x6c79_6765_6e65_7261
    v3 = seed.second ^ 0x7465_6462_7974_6573
  }

  @inline(__always)
  mutating func absorb(_ word: UInt64) {
    v3 ^= word
    round()
    round()
    v0 ^= word
  }

  mutating func squeeze() -> UInt64 {
    round()
    round()
    round()
    round()
    return v0 ^ v1 ^ v2 ^ v3
  }

  @inline(__always)
  private mutating func round() {
    v0 = v0 &+ v1
    v1 = rotated(v1, 13) ^ v0
    v0 = rotated(v0, 32)
    v2 = v2 &+ v3
    v3 = rotated(v3, 16) ^ v2
    v0 = v0 &+ v3
    v3 = rotated(v3, 21) ^ v0
    v2 = v2 &+ v1
    v1 = rotated(v1, 17) ^ v2
    v2 = rotated(v2, 32)
  }

  @inline(__always)
  private func rotated(_ word: UInt64, _ count: UInt64) -> UInt64 { (word &<< count) | (word &>> (64 &- count)) }
}
