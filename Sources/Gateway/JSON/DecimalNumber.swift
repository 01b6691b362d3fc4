internal import Glibc

/// A JSON number, taken apart and not yet rounded to any type: ±`mantissa` × 10^`exponent`.
struct DecimalNumber {
  var mantissa: UInt64 = 0
  var exponent = 0
  var isNegative = false
  /// More digits than `mantissa` holds: only `text` has all of them.
  var isCut = false
  /// As it stands in the JSON text.
  var text: UnsafeRawBufferPointer

  // MARK: - Floating point

  /// The nearest `Double`; ties to even. Infinite past the type's range.
  var double: Double {
    guard let parts = rounded(bits: 53) else { return strtod(in: text) }
    // At most 2^64 × 10^27 and at least 10^-27: never out of Double's normal range.
    let bits = UInt64(parts.exponent + 1023) << 52 | (parts.significand & (1 << 52 - 1))
    return Double(bitPattern: isNegative ? bits | 1 << 63 : bits)
  }

  /// The nearest `Float`, rounded once; ties to even. Infinite past the type's range.
  var float: Float {
    guard let parts = rounded(bits: 24), -126...127 ~= parts.exponent else { return strtof(in: text) }
    let bits = UInt32(parts.exponent + 127) << 23 | UInt32(parts.significand & (1 << 23 - 1))
    return Float(bitPattern: isNegative ? bits | 1 << 31 : bits)
  }

  /// The number rounded to a significand of so many bits, the first of which is set, and the exponent of that first
  /// bit. Nil where 64 bits of mantissa and 5^27 do not do, and for zero.
  ///
  /// 10^e is 5^e × 2^e, and 5^27 is the highest power of five in 64 bits. So one exact multiplication, or one division
  /// with its remainder, gives 64 correct leading bits and says whether any bit after them is set: all that rounding
  /// needs. Texts of tensors hardly ever have other numbers: a `float32` that Python printed as a `float` has 17 digits.
  private func rounded(bits: Int) -> (significand: UInt64, exponent: Int)? {
    guard !isCut, mantissa != 0, -27...27 ~= exponent else { return nil }
    var leading: UInt64
    var isInexact: Bool
    var scale = exponent  // of the lowest bit of `leading`
    if exponent < 0 {
      let five = powersOfFive[-exponent]
      let (shift, fiveShift) = (mantissa.leadingZeroBitCount, five.leadingZeroBitCount)
      let dividend = mantissa << UInt64(shift)
      // `dividend` × 2^63, which is less than the divisor × 2^64 whatever the two are.
      let (quotient, rest) = (five << UInt64(fiveShift)).dividingFullWidth((dividend >> 1, dividend << 63))
      leading = quotient
      isInexact = rest != 0
      scale += fiveShift - shift - 63
    } else {
      let product = mantissa.multipliedFullWidth(by: powersOfFive[exponent])
      let shift = product.high == 0 ? 0 : 64 - product.high.leadingZeroBitCount
      leading = shift == 0 ? product.low : shift == 64 ? product.high : product.high << UInt64(64 - shift) | product.low >> UInt64(shift)
      isInexact = shift == 64 ? product.low != 0 : product.low & (1 << UInt64(shift) - 1) != 0
      scale += shift
    }
    let shift = leading.leadingZeroBitCount
    leading <<= UInt64(shift)
    scale -= shift
    let dropped = UInt64(64 - bits)
    let half: UInt64 = 1 << (dropped - 1)
    let rest = leading & (1 << dropped - 1)
    var significand = leading >> dropped
    var exponent = scale + 63
    if rest > half || rest == half && (isInexact || significand & 1 == 1) {
      significand += 1
      if significand == 1 << UInt64(bits) {
        significand >>= 1
        exponent += 1
      }
    }
    return (significand, exponent)
  }

  private func strtod(in text: UnsafeRawBufferPointer) -> Double {
    withTerminatedText { Glibc.strtod($0, nil) }
  }

  private func strtof(in text: UnsafeRawBufferPointer) -> Float {
    withTerminatedText { Glibc.strtof($0, nil) }
  }

  private func withTerminatedText<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    withUnsafeTemporaryAllocation(byteCount: text.count + 1, alignment: 1) { copy in
      copy.copyMemory(from: text)
      copy[text.count] = 0
      return body(copy.baseAddress!.assumingMemoryBound(to: CChar.self))
    }
  }

  // MARK: - Integers

  /// The magnitude if the number is whole, however it is written: `1e3` and `2.0` are. Nil if it is not, or is over
  /// `UInt64.max`.
  var wholeMagnitude: UInt64? {
    if exponent == 0, !isCut { return mantissa }
    // The highest numbers of 64 bits have 20 digits.
    if isCut { return UInt64(String(decoding: isNegative ? UnsafeRawBufferPointer(rebasing: text.dropFirst()) : text, as: UTF8.self)) }
    var magnitude = mantissa
    if magnitude == 0 { return 0 }
    guard -19...19 ~= exponent else { return nil }
    for _ in 0..<abs(exponent) {
      if exponent > 0 {
        let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
        if overflow { return nil }
        magnitude = product
      } else {
        guard magnitude % 10 == 0 else { return nil }
        magnitude /= 10
      }
    }
    return magnitude
  }

  /// The number as an integer of this type, or nil if it is none.
  func integer<Integer: FixedWidthInteger>(_: Integer.Type) -> Integer? {
    guard let magnitude = wholeMagnitude else { return nil }
    if !isNegative { return Integer(exactly: magnitude) }
    // -Int64.min has no positive counterpart in 63 bits.
    guard magnitude <= 1 << 63 else { return nil }
    return Integer(exactly: magnitude == 1 << 63 ? Int64.min : -Int64(magnitude))
  }
}

/// 5^0 to 5^27.
private let powersOfFive: [UInt64] = (0...27).map { power in (0..<power).reduce(1) { product, _ in product * 5 } }

extension JSONScanner {
  /// Digits of one number, at most. Longer ones are nobody's measurement.
  static let maxNumberBytes = 1024

  /// A number by the grammar of RFC 8259, section 6.
  @inline(__always)
  mutating func number() throws(JSONFault) -> DecimalNumber {
    let first = next()
    let start = offset
    var position = offset
    var number = DecimalNumber(text: bytes)
    if first == UInt8(ascii: "-") {
      number.isNegative = true
      position &+= 1
    }
    let digits = position
    position = takeDigits(at: position, into: &number)
    guard position > digits, position == digits + 1 || bytes[digits] != UInt8(ascii: "0") else {
      throw position > digits ? JSONFault("a number with a leading zero", at: start) : fault("a number")
    }
    // Digits after the 19th were dropped: the exponent makes up for them, and `isCut` says so.
    if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
      let point = position + 1
      let dropped = number.exponent
      position = takeDigits(at: point, into: &number)
      guard position > point else { throw JSONFault("a number without a digit after its point", at: start) }
      number.exponent = dropped &- (position &- point) &+ (number.exponent &- dropped)
    }
    if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
      position = try takeExponent(at: position + 1, into: &number)
    }
    guard position - start <= JSONScanner.maxNumberBytes else {
      throw JSONFault("a number of \(position - start) characters; the limit is \(JSONScanner.maxNumberBytes)", at: start)
    }
    number.text = UnsafeRawBufferPointer(rebasing: bytes[start..<position])
    offset = position
    return number
  }

  /// Adds digits to the mantissa; those that it can't hold are counted into the exponent.
  @inline(__always)
  private func takeDigits(at start: Int, into number: inout DecimalNumber) -> Int {
    var position = start
    while position < bytes.count {
      let digit = bytes[position] &- UInt8(ascii: "0")
      guard digit <= 9 else { break }
      // 10^18 times ten and a digit more is below 2^64.
      if number.mantissa < 1_000_000_000_000_000_000 {
        number.mantissa = number.mantissa &* 10 &+ UInt64(digit)
      } else {
        number.exponent &+= 1
        if digit != 0 { number.isCut = true }
      }
      position &+= 1
    }
    return position
  }

  private func takeExponent(at start: Int, into number: inout DecimalNumber) throws(JSONFault) -> Int {
    var position = start
    var isNegative = false
    if position < bytes.count, bytes[position] == UInt8(ascii: "-") || bytes[position] == UInt8(ascii: "+") {
      isNegative = bytes[position] == UInt8(ascii: "-")
      position += 1
    }
    let digits = position
    var exponent = 0
    while position < bytes.count {
      let digit = bytes[position] &- UInt8(ascii: "0")
      guard digit <= 9 else { break }
      exponent = min(exponent * 10 + Int(digit), 1_000_000)
      position += 1
    }
    guard position > digits else { throw JSONFault("a number without digits in its exponent", at: start) }
    number.exponent += isNegative ? -exponent : exponent
    return position
  }
}
