import Inference
import Serving
import Testing

/// What classification makes of one output: the new shape and its strings.
private func classify<Element: BitwiseCopyable>(
  _ values: [Element], _ datatype: Datatype, shape: [Int64], count: Int, isBatched: Bool = true,
  labels: LabelList? = nil, arenaBytes: Int = .max
) throws -> (shape: [Int64], classes: [String]) {
  let arena = UnsafeMutablePointer<Arena>.allocate(capacity: 1)
  arena.initialize(to: Arena(keepBytes: 64, limitBytes: arenaBytes))
  defer {
    arena.deinitialize(count: 1)
    arena.deallocate()
  }
  return try values.withUnsafeBytes { bytes in
    try shape.withUnsafeBufferPointer { shape in
      var tensor = Tensor(
        name: UnsafeRawBufferPointer(start: nil, count: 0), datatype: datatype, shape: shape, bytes: bytes)
      try Classification.apply(
        to: &tensor, classCount: count, isBatched: isBatched, labels: labels, arena: arena)
      #expect(tensor.datatype == .bytes)
      var classes: [String] = []
      var offset = 0
      while offset < tensor.bytes.count {
        let length = Int(tensor.bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        classes.append(String(decoding: tensor.bytes[offset + 4..<offset + 4 + length], as: UTF8.self))
        offset += 4 + length
      }
      return (Array(tensor.shape), classes)
    }
  }
}

@Test func `each row gives its highest values, highest first`() throws {
  let result = try classify([0.1, 0.7, 0.2, 9, 8, 7] as [Float], .fp32, shape: [2, 3], count: 2)
  #expect(result.shape == [2, 2])
  #expect(result.classes == ["0.700000:1", "0.200000:2", "9.000000:0", "8.000000:1"])
}

@Test func `without a batch axis the whole tensor is one row`() throws {
  let result = try classify([1, 5, 3, 4] as [Int64], .int64, shape: [2, 2], count: 3, isBatched: false)
  #expect(result.shape == [3])
  #expect(result.classes == ["5:1", "4:3", "3:2"])
}

@Test func `no more classes are given than there are values`() throws {
  let result = try classify([2, 1] as [UInt8], .uint8, shape: [1, 2], count: 1_000_000_000)
  #expect(result.shape == [1, 2])
  #expect(result.classes == ["2:0", "1:1"])
}

@Test func `labels follow where there are any`() throws {
  let labels = LabelList(file: Array("cat\r\n\nbird".utf8))
  #expect(labels.count == 3)
  let result = try classify([1, 2, 3, 4] as [Int32], .int32, shape: [1, 4], count: 4, labels: labels)
  #expect(result.classes == ["4:3", "3:2:bird", "2:1", "1:0:cat"])
}

@Test func `equal values keep their order, and a NaN comes last`() throws {
  let result = try classify([.nan, 1, 1, -.infinity, .infinity] as [Double], .fp64, shape: [1, 5], count: 5)
  #expect(result.classes.map { $0.split(separator: ":").last } == ["4", "1", "2", "3", "0"])
}

@Test func `every number datatype is classified`() throws {
  #expect(try classify([-1, 2] as [Int8], .int8, shape: [1, 2], count: 1).classes == ["2:1"])
  #expect(try classify([-3, -300] as [Int16], .int16, shape: [1, 2], count: 2).classes == ["-3:0", "-300:1"])
  #expect(try classify([7, 65535] as [UInt16], .uint16, shape: [1, 2], count: 1).classes == ["65535:1"])
  #expect(try classify([7, .max] as [UInt32], .uint32, shape: [1, 2], count: 1).classes == ["4294967295:1"])
  #expect(try classify([.max, 0] as [UInt64], .uint64, shape: [1, 2], count: 1).classes == ["\(UInt64.max):0"])
  #expect(try classify([.min] as [Int64], .int64, shape: [1, 1], count: 1).classes == ["\(Int64.min):0"])
  #expect(try classify([1, -2.5] as [Float16], .fp16, shape: [1, 2], count: 2).classes == ["1.000000:0", "-2.500000:1"])
  // 0xC000 is -2, 0x3FC0 is 1.5.
  #expect(
    try classify([0xC000, 0x3FC0] as [UInt16], .bf16, shape: [1, 2], count: 2).classes == ["1.500000:1", "-2.000000:0"])
  let longest = try classify([-Double.greatestFiniteMagnitude], .fp64, shape: [1, 1], count: 1).classes[0]
  #expect(longest.utf8.count == 1 + 309 + 7 + 2)
}

@Test func `BOOL and BYTES cannot be classified`() {
  #expect(throws: InferenceError.self) { try classify([1] as [UInt8], .bool, shape: [1, 1], count: 1) }
  #expect(throws: InferenceError.self) { try classify([0] as [UInt32], .bytes, shape: [1, 1], count: 1) }
}

@Test func `classes that do not fit the call's memory are refused`() {
  #expect {
    try classify([Float](repeating: 1, count: 100), .fp32, shape: [1, 100], count: 100, arenaBytes: 2000)
  } throws: { ($0 as? InferenceError)?.code == .resourceExhausted }
}

/// The heap against a plain sort, on every count from none to all of them.
@Test func `any number of classes is the head of the sorted values`() throws {
  let values = (0..<40).map { Int32(($0 * 7919) % 31) }
  let sorted = values.indices.sorted { values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1 }
  for count in 1...values.count {
    let result = try classify(values, .int32, shape: [1, 40], count: count)
    #expect(result.classes == sorted.prefix(count).map { "\(values[$0]):\($0)" })
  }
}
