import FileType
import Testing

/// The expected values were computed by magika 1.0.3's own `_extract_features_from_seekable`.
@Suite struct FeaturesTests {
  @Test func `features are what magika itself makes of the same bytes`() {
    let short = Array("  \t\r\nhello world\u{0b}\u{0c} \n".utf8)
    let exact = (0..<11).flatMap { _ in 32..<127 as Range<UInt8> }
    let long = (0..<10000).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 / 256) }
    #expect(Features.extract(short).map(hash) == 0x381f_b307_a4bf_2a7d)
    #expect(Features.extract(exact).map(hash) == 0xb852_c102_49f0_5085)
    #expect(Features.extract(long).map(hash) == 0xb2cc_8939_ca39_e685)
  }

  @Test func `too few bytes at the beginning tell nothing, as for magika`() {
    let spaces = [UInt8](repeating: 0x20, count: 4090)
    #expect(Features.extract([]) == nil)
    #expect(Features.extract(Array("1234567".utf8)) == nil)
    #expect(Features.extract(Array("12345678".utf8)) != nil)
    // Only six of the letters lie within the first 4,096 bytes.
    #expect(Features.extract(spaces + Array("abcdefghijkl".utf8) + spaces) == nil)
  }

  @Test func `a guess is said in words`() {
    #expect(Guess("0.997:176:swift")?.text == "Swift source (99.7 %)")
    #expect(Guess("0.5:1:obscure")?.text == "obscure (50.0 %)")
    #expect(Guess("0.5:1") == nil)
  }

  /// FNV-1a over the numbers' four bytes.
  private func hash(_ numbers: [Int32]) -> UInt64 {
    numbers.withUnsafeBytes { $0.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 } }
  }
}
