import GRPC
import Testing

private func timeout(_ text: String) -> UInt64? { Array(text.utf8).withUnsafeBytes { parseGRPCTimeout($0) } }

@Test(arguments: [
  ("1n", 1), ("2u", 2000), ("3m", 3_000_000), ("4S", 4_000_000_000), ("5M", 300_000_000_000),
  ("6H", 21_600_000_000_000), ("0S", 0), ("00000001n", 1), ("99999999S", 99_999_999_000_000_000),
  ("99999999H", UInt64.max), ("99999999M", 5_999_999_940_000_000_000),
] as [(String, UInt64)])
func `a timeout is up to eight digits and a unit; what 64 bits don't hold is for ever`(text: String, expected: UInt64) {
  #expect(timeout(text) == expected)
}

@Test(arguments: ["", "S", "1", "1s", "1h", "-1S", "+1S", "1.5S", " 1S", "1 S", "123456789S", "1SS", "x1S"])
func `anything else is no timeout`(text: String) {
  #expect(timeout(text) == nil)
}

@Test func `every byte survives percent encoding, and only printable ASCII is left`() {
  let text = String(decoding: (UInt8(0)...127).map { $0 }, as: UTF8.self) + "ä€😀"
  let encoded = percentEncoded(text)
  #expect(encoded.allSatisfy { (0x20...0x7e).contains($0) })
  #expect(percentDecoded(encoded) == text)
  #expect(String(decoding: percentEncoded("50 % of €"), as: UTF8.self) == "50 %25 of %E2%82%AC")
}

@Test(arguments: [("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("a%41", "aA"), ("%e2%82%ac", "€"), ("%%41", "%A")])
func `what is no escape is kept as it came`(text: String, expected: String) {
  #expect(percentDecoded(text.utf8) == expected)
}

@Test func `base64 is without padding, and read with or without`() {
  let vectors = [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE")]
  for (plain, text) in vectors {
    #expect(base64Encoded(plain.utf8) == Array(text.utf8))
    #expect(base64Decoded(text.utf8) == Array(plain.utf8))
    #expect(base64Decoded((text + "==").utf8) == Array(plain.utf8))
  }
  #expect(base64Decoded("-_8".utf8) == base64Decoded("+/8".utf8))
  #expect(base64Decoded("Zm 9".utf8) == nil)
}

@Test func `every pair of bytes survives base64`() {
  for high in UInt8.min...UInt8.max {
    for low in UInt8.min...UInt8.max { #expect(base64Decoded(base64Encoded([high, low])) == [high, low]) }
  }
}
