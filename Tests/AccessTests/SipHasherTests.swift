@testable import Access
import Testing

private let seed = HashSeed(first: 0x0706_0504_0302_0100, second: 0x0f0e_0d0c_0b0a_0908)

/// A part of a message, and the bytes that stand for it in the hash.
private enum Part {
  case number(UInt64)
  case run([UInt8])

  var bytes: [UInt8] {
    func word(_ number: UInt64) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
    switch self {
    case .number(let number): return word(number)
    case .run(let bytes):
      return word(UInt64(bytes.count)) + bytes + Array(repeating: 0, count: (8 - bytes.count % 8) % 8)
    }
  }
}

private func tag(_ parts: [Part]) -> HashTag {
  var hasher = SipHasher(seed: seed)
  for part in parts {
    switch part {
    case .number(let number): hasher.combine(number)
    case .run(let bytes): bytes.withUnsafeBytes { hasher.combine($0) }
    }
  }
  return hasher.finish()
}

/// `SipTag` is held against OpenSSL's numbers.
@Test func `a message in parts is hashed as SipHash does its words`() {
  var generator = SeededGenerator(seed: 7)
  for _ in 0..<200 {
    let parts = (0..<Int.random(in: 0..<6, using: &generator)).map { _ -> Part in
      if Bool.random(using: &generator) { return .number(.random(in: 0 ... .max, using: &generator)) }
      return .run((0..<Int.random(in: 0..<40, using: &generator)).map { _ in .random(in: 0 ... .max, using: &generator) })
    }
    let expected = parts.flatMap(\.bytes).withUnsafeBytes { SipTag($0, seed: seed) }
    #expect(tag(parts) == HashTag(low: expected.low, high: expected.high))
  }
}

@Test func `where one run of bytes ends and the next begins is in the hash`() {
  let tags = [
    tag([.run([1, 2, 3]), .run([])]), tag([.run([1, 2]), .run([3])]), tag([.run([]), .run([1, 2, 3])]),
    tag([.run([1, 2, 3, 0]), .run([])]), tag([.run([1, 2, 3])]),
  ]
  #expect(Set(tags).count == tags.count)
}
