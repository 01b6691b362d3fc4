/// The numbers that a request is known by.
enum RequestID {
  /// A random GUID. Source: RFC 9562, version 4.
  static func random() -> String {
    var generator = SystemRandomNumberGenerator()
    var high = generator.next() as UInt64
    var low = generator.next() as UInt64
    high = high & ~0xF000 | 0x4000
    low = low & ~(3 << 62) | 2 << 62
    let digits = Array("0123456789abcdef".utf8)
    return String(unsafeUninitializedCapacity: 36) { text in
      var place = 0
      for index in 0..<32 {
        if index == 8 || index == 12 || index == 16 || index == 20 {
          text[place] = UInt8(ascii: "-")
          place += 1
        }
        let word = index < 16 ? high : low
        text[place] = digits[Int(word >> UInt64(60 - 4 * (index % 16)) & 15)]
        place += 1
      }
      return place
    }
  }

  /// A caller's own number as it is sent back: letters, digits, `-` and `_`, at most 40 of them.
  static func sanitized(_ text: String) -> String {
    String(
      decoding: text.utf8.lazy.filter {
        $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") || $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z")
          || $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
      }.prefix(40), as: UTF8.self)
  }
}
