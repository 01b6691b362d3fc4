import Gateway
import Glibc
import Inference
import Testing

/// Every way in which a number may be written reads as the C library reads it, which rounds correctly.
@Test func `numbers are rounded as strtod and strtof round them`() throws {
  var random = SeededNumbers(state: 1)
  var texts: [String] = []
  for _ in 0..<20_000 {
    let value = Double(bitPattern: random.next())
    if value.isFinite { texts.append("\(value)") }
    texts.append("\(Double(Float(bitPattern: UInt32(truncatingIfNeeded: random.next())).magnitude))")
    let digits = Int.random(in: 1...25, using: &random)
    var text = String(Int.random(in: 1...9, using: &random))
    for _ in 1..<max(2, digits) { text += String(Int.random(in: 0...9, using: &random)) }
    let point = Int.random(in: 1...text.count, using: &random)
    if point < text.count { text.insert(".", at: text.index(text.startIndex, offsetBy: point)) }
    if Bool.random(using: &random) { text += "e\(Int.random(in: -45...45, using: &random))" }
    texts.append(Bool.random(using: &random) ? text : "-" + text)
  }
  // Half-way between two floats, a digit to either side of it, and the ends of the range.
  texts += [
    "16777217", "16777217.0000000000001", "16777216.9999999999999", "9007199254740993", "9007199254740992.9",
    "9007199254740993.00000000000000000001", "1.00000005960464477539", "1.000000059604644775390625",
    "1.000000059604644775390624", "1.000000059604644775390626", "0.1", "1e23", "8.5e-46", "1.1754943508222875e-38",
    "1.17549429e-38", "2.2250738585072011e-308", "4.9e-324", "0", "-0", "0.0", "0e5", "1E2", "18446744073709551615",
    "18446744073709551616", "3.4028235e38", "1.7976931348623157e308", "0.000000000000000000000000000000000000001",
  ].filter { !$0.contains("inf") }
  texts.removeAll { text in !text.contains { $0.isNumber } || text.contains("inf") || text.contains("nan") }
  let wide = texts.filter { strtod($0, nil).isFinite }
  let doubles = try elements("[" + wide.joined(separator: ",") + "]", "FP64", count: wide.count, as: UInt64.self)
  for (text, bits) in zip(wide, doubles) where strtod(text, nil).bitPattern != bits {
    Issue.record("\(text) as FP64 is \(Double(bitPattern: bits)), not \(strtod(text, nil))")
  }
  let narrow = texts.filter { strtof($0, nil).isFinite }
  let floats = try elements("[" + narrow.joined(separator: ",") + "]", "FP32", count: narrow.count, as: UInt32.self)
  for (text, bits) in zip(narrow, floats) where strtof(text, nil).bitPattern != bits {
    Issue.record("\(text) as FP32 is \(Float(bitPattern: bits)), not \(strtof(text, nil))")
  }
  #expect(wide.count > 40_000 && narrow.count > 30_000)
}

/// The answer's text of a number reads back as the same bits.
@Test func `floats survive the way out and back in`() throws {
  var random = SeededNumbers(state: 2)
  let doubles = (0..<5000).map { _ in Double(bitPattern: random.next()) }.filter { !$0.isNaN }
  let floats = (0..<5000).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }.filter { !$0.isNaN }
  let outDoubles = try roundTrip(doubles, "FP64")
  #expect(outDoubles.map(\.bitPattern) == doubles.map(\.bitPattern))
  let outFloats = try roundTrip(floats, "FP32")
  #expect(outFloats.map(\.bitPattern) == floats.map(\.bitPattern))
}

@Test func `integers survive the way out and back in, to the last of 64 bits`() throws {
  var random = SeededNumbers(state: 3)
  func check<Integer: FixedWidthInteger & BitwiseCopyable>(_: Integer.Type, _ datatype: String) throws {
    let values = [.min, .max, 0, 1] + (0..<2000).map { _ in Integer(truncatingIfNeeded: random.next()) }
    #expect(try roundTrip(values, datatype) == values)
  }
  try check(Int8.self, "INT8")
  try check(Int16.self, "INT16")
  try check(Int32.self, "INT32")
  try check(Int64.self, "INT64")
  try check(UInt8.self, "UINT8")
  try check(UInt16.self, "UINT16")
  try check(UInt32.self, "UINT32")
  try check(UInt64.self, "UINT64")
}

/// Values go in as binary data, out as JSON, and that text in again.
private func roundTrip<Element: BitwiseCopyable>(_ values: [Element], _ datatype: String) throws -> [Element] {
  let bytes = values.withUnsafeBytes { Array($0) }
  let request = try read(
    #"{"inputs":[{"name":"x","shape":[\#(values.count)],"datatype":"\#(datatype)","#
      + #""parameters":{"binary_data_size":\#(bytes.count)}}]}"#, binary: bytes)
  try request.echo()
  let answer = try OpenInferenceWriter.write(request.pointer, binaryByDefault: false, binary: [])
  let text = String(decoding: answer.bytes, as: UTF8.self)
  // The last list of the text is the data.
  let data = text[text.lastIndex(of: "[")!...text.index(text.endIndex, offsetBy: -4)]
  return try elements(String(data), datatype, count: values.count)
}

@Test func `a whole number may be written with a point or an exponent`() throws {
  #expect(try elements("[1.0, 2e3, 1200e-2, -0.0]", "INT32", count: 4, as: Int32.self) == [1, 2000, 12, 0])
}

@Test func `an integer out of range or with a fraction is refused, and not cut`() {
  #expect(
    message { _ = try elements("[1, 300]", "UINT8", count: 2, as: UInt8.self) }
      == "inputs[0].data[1]: expected an integer from 0 to 255, got 300 (at byte 65)")
  #expect(message { _ = try elements("[1.5]", "INT64", count: 1, as: Int64.self) }?.contains("got 1.5") == true)
  #expect(message { _ = try elements("[-1]", "UINT64", count: 1, as: UInt64.self) }?.contains("from 0 to") == true)
  #expect(message { _ = try elements("[9223372036854775808]", "INT64", count: 1, as: Int64.self) } != nil)
  #expect(message { _ = try elements("[18446744073709551616]", "UINT64", count: 1, as: UInt64.self) } != nil)
}

@Test func `NaN and the infinities are words or strings, and null is NaN`() throws {
  let values = try elements(#"[NaN, Infinity, -Infinity, "NaN", "-Infinity", null]"#, "FP32", count: 6, as: Float.self)
  #expect(values[0].isNaN && values[3].isNaN && values[5].isNaN)
  #expect(values[1] == .infinity && values[2] == -.infinity && values[4] == -.infinity)
  let request = try read(
    #"{"inputs":[{"name":"x","shape":[3],"datatype":"FP64","data":[NaN,Infinity,-Infinity]}]}"#)
  try request.echo()
  let answer = try OpenInferenceWriter.write(request.pointer, binaryByDefault: false, binary: [])
  #expect(String(decoding: answer.bytes, as: UTF8.self).contains("[NaN,Infinity,-Infinity]"))
}

@Test func `a number past the datatype's range is refused, and not made infinite`() {
  #expect(message { _ = try elements("[1e39]", "FP32", count: 1, as: Float.self) }?.contains("range of FP32") == true)
  #expect(message { _ = try elements("[1e309]", "FP64", count: 1, as: Double.self) }?.contains("range of FP64") == true)
}
