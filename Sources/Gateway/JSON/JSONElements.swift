internal import Inference

/// An element of a tensor that a JSON text can have.
protocol JSONElement: BitwiseCopyable {
  static func read(_ scanner: inout JSONScanner) throws(JSONFault) -> Self
}

/// What a JSON integer is for a tensor: any number that is whole and in range, however it is written.
protocol JSONInteger: JSONElement, FixedWidthInteger {}

extension JSONInteger {
  @inline(__always)
  static func read(_ scanner: inout JSONScanner) throws(JSONFault) -> Self {
    let first = scanner.next()
    guard first == UInt8(ascii: "-") || first >= UInt8(ascii: "0") && first <= UInt8(ascii: "9") else {
      throw scanner.fault("an integer")
    }
    let start = scanner.offset
    let number = try scanner.number()
    guard let value = number.integer(Self.self) else {
      let text = String(decoding: number.text.prefix(24), as: UTF8.self) + (number.text.count > 24 ? "…" : "")
      throw JSONFault("expected an integer from \(Self.min) to \(Self.max), got \(text)", at: start)
    }
    return value
  }
}

extension UInt8: JSONInteger {}
extension UInt16: JSONInteger {}
extension UInt32: JSONInteger {}
extension UInt64: JSONInteger {}
extension Int8: JSONInteger {}
extension Int16: JSONInteger {}
extension Int32: JSONInteger {}
extension Int64: JSONInteger {}

extension JSONScanner {
  /// One of the numbers that JSON does not have: as the words that Python and Triton write, as protobuf's strings, and
  /// `null` for NaN, which is what a table has in the place of a missing value. Nil if something else comes next.
  @inline(never)
  mutating func takeUnwrittenNumber() -> Double? {
    if takeWord("NaN") || takeWord("\"NaN\"") || takeWord("null") { return .nan }
    if takeWord("Infinity") || takeWord("\"Infinity\"") { return .infinity }
    if takeWord("-Infinity") || takeWord("\"-Infinity\"") { return -.infinity }
    return nil
  }

  @inline(__always)
  fileprivate mutating func floatingPoint() throws(JSONFault) -> (number: DecimalNumber?, special: Double) {
    let first = next()
    let isDigit = first >= UInt8(ascii: "0") && first <= UInt8(ascii: "9")
    if isDigit || first == UInt8(ascii: "-") && offset + 1 < bytes.count && bytes[offset + 1] != UInt8(ascii: "I") {
      return (try number(), 0)
    }
    guard let special = takeUnwrittenNumber() else { throw fault("a number") }
    return (nil, special)
  }
}

extension Double: JSONElement {
  @inline(__always)
  static func read(_ scanner: inout JSONScanner) throws(JSONFault) -> Double {
    let start = scanner.offset
    let (number, special) = try scanner.floatingPoint()
    guard let number else { return special }
    return try scanner.finite(number.double, "FP64", start)
  }
}

extension Float: JSONElement {
  @inline(__always)
  static func read(_ scanner: inout JSONScanner) throws(JSONFault) -> Float {
    let start = scanner.offset
    let (number, special) = try scanner.floatingPoint()
    guard let number else { return Float(special) }
    return try scanner.finite(number.float, "FP32", start)
  }
}

/// FP16 by way of FP64. For the forms that go by the model's datatypes; the protocol's own has no FP16 in JSON.
struct JSONHalf: JSONElement {
  var value: Float16
  static func read(_ scanner: inout JSONScanner) throws(JSONFault) -> JSONHalf {
    let start = scanner.offset
    let (number, special) = try scanner.floatingPoint()
    guard let number else { return JSONHalf(value: Float16(special)) }
    return JSONHalf(value: try scanner.finite(Float16(number.double), "FP16", start))
  }
}

/// BF16: the upper half of an FP32, rounded to the nearest; ties to even.
struct JSONBrain: JSONElement {
  var bits: UInt16
  static func read(_ scanner: inout JSONScanner) throws(JSONFault) -> JSONBrain {
    let start = scanner.offset
    let (number, special) = try scanner.floatingPoint()
    let value = number?.float ?? Float(special)
    if value.isNaN { return JSONBrain(bits: 0x7FC0) }
    let bits = value.bitPattern
    let rounded = bits &+ 0x7FFF &+ (bits >> 16 & 1)
    let result = JSONBrain(bits: UInt16(truncatingIfNeeded: rounded >> 16))
    if number != nil { _ = try scanner.finite(Float(bitPattern: rounded & 0xFFFF_0000), "BF16", start) }
    return result
  }
}

extension JSONScanner {
  /// A number of a text is never meant to be infinite.
  @inline(__always)
  fileprivate func finite<Value: BinaryFloatingPoint>(
    _ value: Value, _ datatype: StaticString, _ start: Int
  ) throws(JSONFault) -> Value {
    if value.isInfinite { throw JSONFault("the number is past the range of \(datatype)", at: start) }
    return value
  }
}

/// BOOL: true and false, or 1 and 0.
struct JSONBool: JSONElement {
  var value: UInt8
  static func read(_ scanner: inout JSONScanner) throws(JSONFault) -> JSONBool {
    if scanner.takeWord("true") || scanner.takeWord("1") { return JSONBool(value: 1) }
    if scanner.takeWord("false") || scanner.takeWord("0") { return JSONBool(value: 0) }
    throw scanner.fault("true or false")
  }
}
