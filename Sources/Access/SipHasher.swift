/// 128 bits that stand for a message, under a secret seed.
package struct HashTag: Hashable, Sendable {
  package var low: UInt64
  package var high: UInt64
}

/// 128-bit keyed hash of a message that lies in several places: numbers and runs of bytes, taken in one after the other.
///
/// SipHash-2-4 with the long output of the parts as words, little-endian: a number is one word, and a run of bytes is its
/// length and then the bytes, filled up with zeros to whole words. So two messages of the same kinds of parts give the same
/// words only if they are the same, wherever one part ends and the next begins. Each use has a seed of its own.
package struct SipHasher {
  private var state: SipState
  private var words: UInt64 = 0

  package init(seed: HashSeed) { state = SipState(seed) }

  package mutating func combine(_ number: UInt64) {
    state.absorb(number)
    words &+= 1
  }

  package mutating func combine(_ bytes: UnsafeRawBufferPointer) {
    combine(UInt64(bytes.count))
    // A copy that nothing else can see stays in registers.
    var state = self.state
    let whole = bytes.count / 8
    var index = 0
    while index < whole {
      let word = bytes.loadUnaligned(fromByteOffset: index &* 8, as: UInt64.self)
      state.absorb(UInt64(littleEndian: word))
      index &+= 1
    }
    words &+= UInt64(whole)
    var offset = whole &* 8
    if offset < bytes.count {
      var last: UInt64 = 0
      while offset < bytes.count {
        last |= UInt64(bytes[offset]) &<< UInt64(8 &* (offset & 7))
        offset &+= 1
      }
      state.absorb(last)
      words &+= 1
    }
    self.state = state
  }

  /// The tag of all that was taken in. Nothing may follow.
  package mutating func finish() -> HashTag {
    // The last word of SipHash: the low byte of the length in bytes on top of what is left over, which is nothing here.
    state.absorb((words &* 8) &<< 56)
    state.v2 ^= 0xee
    let low = state.squeeze()
    state.v1 ^= 0xdd
    return HashTag(low: low, high: state.squeeze())
  }
}
