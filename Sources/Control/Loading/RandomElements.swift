internal import Inference

/// Elements that a text decides, in ranges that models take: floats from -1 to 1, integers from 0 to 100, either bool, and
/// lower-case letters.
internal struct RandomElements: Sendable {
  private var state: UInt64

  init(seed: String) {
    // FNV-1a, 64 bits.
    state = seed.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
  }

  /// - Parameter textBytes: Length of each element of BYTES.
  mutating func bytes(_ datatype: Datatype, count: Int, textBytes: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count * (datatype.byteSize ?? 4 + textBytes))
    for _ in 0..<count { append(datatype, textBytes, to: &bytes) }
    return bytes
  }

  private mutating func append(_ datatype: Datatype, _ textBytes: Int, to bytes: inout [UInt8]) {
    switch datatype {
    case .bool: bytes.append(UInt8(below(2)))
    case .uint8, .int8: bytes.append(UInt8(below(101)))
    case .uint16, .int16: RandomElements.append(UInt16(below(101)), to: &bytes)
    case .uint32, .int32: RandomElements.append(UInt32(below(101)), to: &bytes)
    case .uint64, .int64: RandomElements.append(UInt64(below(101)), to: &bytes)
    case .fp16: RandomElements.append(Float16(unit()).bitPattern, to: &bytes)
    case .bf16: RandomElements.append(UInt16(Float(unit()).bitPattern >> 16), to: &bytes)
    case .fp32: RandomElements.append(Float(unit()).bitPattern, to: &bytes)
    case .fp64: RandomElements.append(unit().bitPattern, to: &bytes)
    case .bytes:
      RandomElements.append(UInt32(textBytes), to: &bytes)
      for _ in 0..<textBytes { bytes.append(UInt8(ascii: "a") + UInt8(below(26))) }
    }
  }

  private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// -1 to 1.
  private mutating func unit() -> Double { Double(next() >> 11) * 0x1p-52 - 1 }

  private mutating func below(_ limit: UInt64) -> UInt64 { (next() >> 32) % limit }

  /// SplitMix64. Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators".
  private mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
