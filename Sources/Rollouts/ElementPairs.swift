internal import Inference

/// Two tensors' contents of the same datatype and element count, read pair by pair.
struct ElementPairs {
  let datatype: Datatype
  let live: UnsafeRawBufferPointer
  let shadow: UnsafeRawBufferPointer
  let count: Int

  /// The differences, and how many pairs are unequal; nil for BYTES contents that end before their elements do.
  func compare(tolerance: Tolerance) -> (statistics: DifferenceStatistics, unequal: UInt64)? {
    switch datatype {
    case .fp32: floats(tolerance) { Double(Float(bitPattern: $0 as UInt32)) }
    case .fp64: floats(tolerance) { Double(bitPattern: $0 as UInt64) }
    case .fp16: floats(tolerance) { Double(Float16(bitPattern: $0 as UInt16)) }
    case .bf16: floats(tolerance) { Double(Float(bitPattern: UInt32($0 as UInt16) << 16)) }
    case .int8: integers(Int8.self)
    case .int16: integers(Int16.self)
    case .int32: integers(Int32.self)
    case .int64: integers(Int64.self)
    case .bool, .uint8: integers(UInt8.self)
    case .uint16: integers(UInt16.self)
    case .uint32: integers(UInt32.self)
    case .uint64: integers(UInt64.self)
    case .bytes: strings()
    }
  }

  @inline(__always)
  private func floats<Bits: FixedWidthInteger>(
    _ tolerance: Tolerance, _ value: (Bits) -> Double
  ) -> (statistics: DifferenceStatistics, unequal: UInt64) {
    var statistics = DifferenceStatistics()
    var unequal: UInt64 = 0
    for index in 0..<count {
      let left = value(bits(live, index))
      let right = value(bits(shadow, index))
      if left != right, !(left.isNaN && right.isNaN) { unequal += 1 }
      statistics.add(live: left, shadow: right, tolerance: tolerance)
    }
    return (statistics, unequal)
  }

  @inline(__always)
  private func integers<Value: FixedWidthInteger>(
    _: Value.Type
  ) -> (statistics: DifferenceStatistics, unequal: UInt64) {
    var statistics = DifferenceStatistics()
    var unequal: UInt64 = 0
    for index in 0..<count {
      let left: Value = bits(live, index)
      let right: Value = bits(shadow, index)
      if left != right { unequal += 1 }
      // By sizes, because a difference of 64-bit integers needs 65 bits.
      let size = right > left ? Self.distance(from: left, to: right) : -Self.distance(from: right, to: left)
      statistics.add(difference: size, isBeyond: left != right)
    }
    return (statistics, unequal)
  }

  private static func distance<Value: FixedWidthInteger>(from low: Value, to high: Value) -> Double {
    Double(UInt64(truncatingIfNeeded: high) &- UInt64(truncatingIfNeeded: low))
  }

  private func strings() -> (statistics: DifferenceStatistics, unequal: UInt64)? {
    let left = BytesElements(live)
    let right = BytesElements(shadow)
    var leftStart = 0
    var rightStart = 0
    var unequal: UInt64 = 0
    var statistics = DifferenceStatistics()
    for _ in 0..<count {
      guard let leftEnd = left.end(ofElements: 1, from: leftStart),
        let rightEnd = right.end(ofElements: 1, from: rightStart)
      else { return nil }
      let isEqual =
        UnsafeRawBufferPointer(rebasing: live[leftStart..<leftEnd])
        == UnsafeRawBufferPointer(rebasing: shadow[rightStart..<rightEnd])
      if !isEqual { unequal += 1 }
      statistics.addString(isEqual: isEqual)
      leftStart = leftEnd
      rightStart = rightEnd
    }
    return (statistics, unequal)
  }

  /// Rows along the last axis whose greatest element is at another place.
  func mismatchingArgmax(rowLength: Int) -> (rows: UInt64, mismatching: UInt64) {
    var mismatching: UInt64 = 0
    let rows = count / rowLength
    for row in 0..<rows where argmax(live, row, rowLength) != argmax(shadow, row, rowLength) { mismatching += 1 }
    return (UInt64(rows), mismatching)
  }

  /// Index of the greatest element, the first of equals; -1 if all are NaN.
  private func argmax(_ bytes: UnsafeRawBufferPointer, _ row: Int, _ rowLength: Int) -> Int {
    var best = -1
    var greatest = -Double.infinity
    for index in 0..<rowLength {
      let value = float(bytes, row * rowLength + index)
      if value > greatest || (best < 0 && !value.isNaN) {
        best = index
        greatest = value
      }
    }
    return best
  }

  /// Whether every row of the live tensor holds shares that sum to 1.
  func liveRowsAreProbabilities(rowLength: Int) -> Bool {
    for row in 0..<count / rowLength {
      var sum = 0.0
      for index in 0..<rowLength {
        let value = float(live, row * rowLength + index)
        guard value >= 0, value <= 1.001 else { return false }
        sum += value
      }
      // Half precision holds shares to about 0.001 each.
      guard abs(sum - 1) < 0.02 else { return false }
    }
    return count > 0
  }

  private func float(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Double {
    switch datatype {
    case .fp32: Double(Float(bitPattern: bits(bytes, index)))
    case .fp64: Double(bitPattern: bits(bytes, index))
    case .fp16: Double(Float16(bitPattern: bits(bytes, index)))
    case .bf16: Double(Float(bitPattern: UInt32(bits(bytes, index) as UInt16) << 16))
    default: .nan
    }
  }

  @inline(__always)
  private func bits<Bits: FixedWidthInteger>(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Bits {
    Bits(littleEndian: bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Bits>.size, as: Bits.self))
  }
}
