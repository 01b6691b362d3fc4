/// The value of `grpc-timeout` in nanoseconds: at most eight digits and a unit. Nil if it is neither.
///
/// Source: gRPC over HTTP2, "Requests", Timeout. A zero is accepted, though the grammar says positive: proxies send it
/// for a deadline that has just passed.
package func parseGRPCTimeout(_ value: UnsafeRawBufferPointer) -> UInt64? {
  guard value.count >= 2, value.count <= 9 else { return nil }
  var amount: UInt64 = 0
  for digit in value.dropLast() {
    guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
    amount = amount &* 10 &+ UInt64(digit &- UInt8(ascii: "0"))
  }
  let unit: UInt64
  switch value[value.count - 1] {
  case UInt8(ascii: "n"): unit = 1
  case UInt8(ascii: "u"): unit = 1_000
  case UInt8(ascii: "m"): unit = 1_000_000
  case UInt8(ascii: "S"): unit = 1_000_000_000
  case UInt8(ascii: "M"): unit = 60_000_000_000
  case UInt8(ascii: "H"): unit = 3_600_000_000_000
  default: return nil
  }
  let (nanoseconds, overflow) = amount.multipliedReportingOverflow(by: unit)
  return overflow ? .max : nanoseconds  // 99,999,999 hours are more than 64 bits hold
}

/// The reverse: the finest unit in which eight digits suffice, rounded up so that a deadline is never told short.
package func formatGRPCTimeout(nanoseconds: UInt64) -> String {
  withUnsafeTemporaryAllocation(byteCount: 9, alignment: 1) { text in
    String(decoding: text[..<writeGRPCTimeout(nanoseconds: nanoseconds, to: text)], as: UTF8.self)
  }
}

/// The same into `text`, which has room for nine bytes. Returns how many it takes.
package func writeGRPCTimeout(nanoseconds: UInt64, to text: UnsafeMutableRawBufferPointer) -> Int {
  var (divisor, letter) = (UInt64(1), UInt8(ascii: "n"))
  switch nanoseconds {
  case ...99_999_999: break
  case ...99_999_999_000: (divisor, letter) = (1_000, UInt8(ascii: "u"))
  case ...99_999_999_000_000: (divisor, letter) = (1_000_000, UInt8(ascii: "m"))
  case ...99_999_999_000_000_000: (divisor, letter) = (1_000_000_000, UInt8(ascii: "S"))
  case ...5_999_999_940_000_000_000: (divisor, letter) = (60_000_000_000, UInt8(ascii: "M"))
  default: (divisor, letter) = (3_600_000_000_000, UInt8(ascii: "H"))  // 5,124,096 hours are all that 64 bits hold
  }
  var amount = nanoseconds / divisor + (nanoseconds % divisor == 0 ? 0 : 1)
  var digitCount = 1
  var limit: UInt64 = 10
  while amount >= limit {
    digitCount += 1
    limit *= 10
  }
  for index in stride(from: digitCount - 1, through: 0, by: -1) {
    text[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: amount % 10)
    amount /= 10
  }
  text[digitCount] = letter
  return digitCount + 1
}
