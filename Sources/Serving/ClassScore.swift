internal import Glibc

/// A value that classification can compare and spell.
internal protocol ClassScore {
  func isHigher(than other: Self) -> Bool
  /// Lends the value's decimal text, as C++'s `std::to_string` writes it: numbers with a fraction get six digits after
  /// the point. Triton's clients parse that.
  func withText<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result
}

extension FixedWidthInteger {
  internal func isHigher(than other: Self) -> Bool { self > other }
  internal func withText<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    NumberText.withText(UInt64(magnitude), isNegative: self < 0, body)
  }
}
extension UInt8: ClassScore {}
extension UInt16: ClassScore {}
extension UInt32: ClassScore {}
extension UInt64: ClassScore {}
extension Int8: ClassScore {}
extension Int16: ClassScore {}
extension Int32: ClassScore {}
extension Int64: ClassScore {}

extension Float: ClassScore {
  internal func isHigher(than other: Float) -> Bool { Double(self).isHigher(than: Double(other)) }
  internal func withText<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    Double(self).withText(body)
  }
}

extension Double: ClassScore {
  internal func isHigher(than other: Double) -> Bool { self > other || (other.isNaN && !isNaN) }
  internal func withText<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    // The longest is -Double.greatestFiniteMagnitude: a sign, 309 digits, the point, six digits and a zero byte.
    // `withVaList` allocates; only requests that ask for classes pay for it.
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 320) { buffer in
      let length = withVaList([self]) { vsnprintf(buffer.baseAddress!, buffer.count, "%f", $0) }
      return body(UnsafeRawBufferPointer(start: buffer.baseAddress, count: Int(length)))
    }
  }
}

/// FP16: IEEE 754 binary16.
internal struct HalfScore: ClassScore {
  var bits: UInt16
  private var value: Double { Double(Float16(bitPattern: bits)) }
  func isHigher(than other: HalfScore) -> Bool { value.isHigher(than: other.value) }
  func withText<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result { value.withText(body) }
}

/// BF16: the upper half of an FP32.
internal struct BrainScore: ClassScore {
  var bits: UInt16
  private var value: Double { Double(Float(bitPattern: UInt32(bits) << 16)) }
  func isHigher(than other: BrainScore) -> Bool { value.isHigher(than: other.value) }
  func withText<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result { value.withText(body) }
}

/// Whole numbers in decimal, without a `String`.
internal enum NumberText {
  static func length(_ number: UInt64) -> Int {
    var length = 1
    var rest = number / 10
    while rest > 0 {
      length += 1
      rest /= 10
    }
    return length
  }

  static func withText<Result>(
    _ magnitude: UInt64, isNegative: Bool, _ body: (UnsafeRawBufferPointer) -> Result
  ) -> Result {
    // UInt64.max has 20 digits; one more for the sign.
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 21) { buffer in
      var first = buffer.count
      var rest = magnitude
      repeat {
        first -= 1
        buffer[first] = UInt8(ascii: "0") + UInt8(rest % 10)
        rest /= 10
      } while rest > 0
      if isNegative {
        first -= 1
        buffer[first] = UInt8(ascii: "-")
      }
      return body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: buffer[first...])))
    }
  }
}
