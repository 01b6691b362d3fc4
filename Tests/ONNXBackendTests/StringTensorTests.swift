import Backends
import Inference
import Testing

struct StringTensorTests {
  @Test func `elements of any bytes come back as they were`() throws {
    let instance = try load("identity_bytes").makeInstance(index: 0)
    let long = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
    let inputs = [
      Contents([1, 1], strings: [[]]),
      Contents([2, 2], strings: [Array("apus".utf8), [0, 1, 0], [], [0xff, 0xfe, 0x80]]),
      Contents([3, 1], strings: [long, [7], long.reversed()]),
      Contents([0, 3], strings: []),
    ]
    for input in inputs { #expect(try instance.run([input]) == [input]) }
  }

  @Test(arguments: [
    ([3, 0, 0, 0, 1, 2, 3, 1, 0, 0, 0], "end inside element 1, whose length is given as 1"),
    ([7, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 0], "end before element 1 of 2"),
    ([0, 0, 0, 0, 0, 0, 0, 0, 0], "go on after the last of 2 elements"),
    ([0, 0, 0, 0], "are too few for 2 elements"),
    ([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], "end inside element 0, whose length is given as 4294967295"),
  ] as [([UInt8], String)])
  func `lengths that do not fill the bytes are refused by the input's name`(_ bytes: [UInt8], _ reason: String) throws {
    let instance = try load("identity_bytes").makeInstance(index: 0)
    let failure = try #require(throws: InferenceError.self) {
      _ = try instance.run([Contents(.bytes, [2, 1], bytes)])
    }
    #expect(failure == .invalidArgument("input 'INPUT0': its \(bytes.count) bytes \(reason)"))
  }

  @Test func `a shape of more elements than memory is refused before any is taken`() throws {
    let instance = try load("identity_bytes").makeInstance(index: 0)
    for shape: [Int64] in [[1 << 40, 1], [1 << 40, 1 << 40]] {
      let failure = try #require(throws: InferenceError.self) {
        _ = try instance.run([Contents(.bytes, shape, [0, 0, 0, 0])])
      }
      #expect(failure.code == .invalidArgument)
    }
  }
}
