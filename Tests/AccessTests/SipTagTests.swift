@testable import Access
import Testing

/// Tags of `openssl mac -macopt hexkey:000102…0f -macopt size:16 SIPHASH` for the bytes 0, 1, 2, ….
@Test(arguments: [
  (0, "a3817f04ba25a8e66df67214c7550293"), (8, "3b62a9ba6258f5610f83e264f31497b4"),
  (10, "00110dc378146956c95447d3f3d0fbba"),
])
func `tags are those of SipHash with 128 bits`(count: Int, expected: String) {
  let seed = HashSeed(first: 0x0706_0504_0302_0100, second: 0x0f0e_0d0c_0b0a_0908)
  let tag = (0..<count).map { UInt8($0) }.withUnsafeBytes { SipTag($0, seed: seed) }
  let bytes = withUnsafeBytes(of: tag.low.littleEndian) { Array($0) } + withUnsafeBytes(of: tag.high.littleEndian) { Array($0) }
  #expect(Hexadecimal.text(bytes) == expected)
}

@Test func `base64url is read as it is written, and nothing else is`() {
  for count in 0..<40 {
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 200) }
    #expect(Base64URL.bytes(Base64URL.text(bytes)) == bytes)
  }
  #expect(Base64URL.text([0xfb, 0xff]) == "-_8")
  for text in ["A", "AB=", "AB+", "A B", "AAAAA", "-_9"] { #expect(Base64URL.bytes(text) == nil) }
}
