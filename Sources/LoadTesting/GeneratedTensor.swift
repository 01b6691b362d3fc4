package import Arrivals
package import Inference

/// Elements that nobody recorded: zeros, or random ones that a seed decides.
package enum GeneratedTensor {
  package enum Values: String, Hashable, Sendable, CaseIterable {
    /// Floats from -1 to 1, integers from 0 to 100, either bool, strings of 16 letters.
    case random
    /// Zeros, false, and empty strings.
    case zeros
  }

  /// - Parameter shape: Of known lengths, none below 0.
  package static func make(
    name: String, datatype: Datatype, shape: [Int64], _ values: Values, _ random: inout SeededRandom
  ) -> LoadTensor {
    let count = shape.reduce(1) { $0 * Int($1) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count * (datatype.byteSize ?? 20))
    for _ in 0..<count { append(datatype, values, &random, to: &bytes) }
    return LoadTensor(name: name, datatype: datatype, shape: shape, bytes: bytes)
  }

  private static func append(
    _ datatype: Datatype, _ values: Values, _ random: inout SeededRandom, to bytes: inout [UInt8]
  ) {
    guard values == .random else {
      return bytes.append(contentsOf: repeatElement(0, count: datatype.byteSize ?? 4))
    }
    switch datatype {
    case .bool: bytes.append(UInt8(random.next() & 1))
    case .uint8, .int8: append(UInt8.random(in: 0...100, using: &random), &bytes)
    case .uint16, .int16: append(UInt16.random(in: 0...100, using: &random), &bytes)
    case .uint32, .int32: append(UInt32.random(in: 0...100, using: &random), &bytes)
    case .uint64, .int64: append(UInt64.random(in: 0...100, using: &random), &bytes)
    case .fp16: append(Float16(random.unit() * 2 - 1).bitPattern, &bytes)
    case .bf16: append(UInt16(Float(random.unit() * 2 - 1).bitPattern >> 16), &bytes)
    case .fp32: append(Float(random.unit() * 2 - 1).bitPattern, &bytes)
    case .fp64: append((random.unit() * 2 - 1).bitPattern, &bytes)
    case .bytes:
      append(UInt32(16), &bytes)
      for _ in 0..<16 { bytes.append(UInt8.random(in: UInt8(ascii: "a")...UInt8(ascii: "z"), using: &random)) }
    }
  }

  private static func append(_ value: some FixedWidthInteger, _ bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }
}
