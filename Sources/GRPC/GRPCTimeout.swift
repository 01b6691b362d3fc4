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
  let units: [(letter: String, nanoseconds: UInt64)] = [
    ("n", 1), ("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000), ("M", 60_000_000_000), ("H", 3_600_000_000_000),
  ]
  for unit in units {
    let amount = nanoseconds / unit.nanoseconds + (nanoseconds % unit.nanoseconds == 0 ? 0 : 1)
    if amount <= 99_999_999 { return "\(amount)\(unit.letter)" }
  }
  return "99999999H"  // 11,408 years; UInt64 holds 584
}
