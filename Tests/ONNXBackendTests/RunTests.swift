import Backends
import Inference
import Testing

struct RunTests {
  @Test(arguments: Datatype.allCases.filter { $0 != .bytes })
  func `every fixed-size datatype comes back byte for byte`(_ datatype: Datatype) throws {
    let instance = try load("identity_\(datatype)".lowercased()).makeInstance(index: 0)
    for shape: [Int64] in [[1, 1], [3, 5], [2, 0], [0, 4]] {
      let count = Int(shape[0] * shape[1]) * datatype.byteSize!
      // Any bit pattern but for BOOL, where ONNX Runtime too knows only 0 and 1.
      let bytes = (0..<count).map { datatype == .bool ? UInt8($0 % 2) : UInt8(truncatingIfNeeded: $0 &* 37 &+ 200) }
      let input = Contents(datatype, shape, bytes)
      #expect(try instance.run([input]) == [input])
    }
  }

  @Test func `a run computes all outputs`() throws {
    let instance = try load("simple").makeInstance(index: 0)
    let first = (0..<32).map { Int32($0) }
    let second = (0..<32).map { _ in Int32(100) }
    let outputs = try instance.run(
      [Contents(.int32, [2, 16], of: first), Contents(.int32, [2, 16], of: second)], outputs: 2)
    #expect(outputs == [
      Contents(.int32, [2, 16], of: first.map { $0 + 100 }), Contents(.int32, [2, 16], of: first.map { $0 - 100 }),
    ])
  }

  @Test(arguments: [
    (0, [false, false]), (1, [true, false]), (2, [false, true]), (3, [true, true]),
  ] as [(UInt64, [Bool])])
  func `only wanted outputs are set`(_ wanted: UInt64, _ expected: [Bool]) throws {
    let instance = try load("simple").makeInstance(index: 0)
    let input = Contents(.int32, [1, 16], of: [Int32](repeating: 7, count: 16))
    let outputs = try instance.run([input, input], wanted: wanted, outputs: 2)
    #expect(outputs.map { $0 != nil } == expected)
    if expected[1] { #expect(outputs[1]?.bytes == [UInt8](repeating: 0, count: 64)) }
  }

  @Test func `a scalar goes in and comes out`() throws {
    let instance = try load("scalar").makeInstance(index: 0)
    #expect(try instance.run([Contents(.fp32, [], of: [Float(2.5)])]) == [Contents(.fp32, [], of: [Float(-2.5)])])
  }

  @Test func `shapes may differ from run to run`() throws {
    let instance = try load("sequence").makeInstance(index: 0)
    for (rows, length) in [(1, 3), (4, 7), (2, 1)] {
      let numbers = (0..<rows * length).map { Float($0) }
      let shape = [Int64(rows), Int64(length)]
      #expect(
        try instance.run([Contents(.fp32, shape, of: numbers)]) == [Contents(.fp32, shape, of: numbers.map { 2 * $0 })])
    }
  }

  @Test func `an output that is an input too does not share the caller's memory`() throws {
    let instance = try load("passthrough").makeInstance(index: 0)
    let input = Contents(.fp32, [1, 4], of: [Float](arrayLiteral: 1, 2, 3, 4))
    #expect(try instance.run([input], outputs: 2)[1] == input)
  }

  @Test func `every parameter reaches the library, and the model still runs`() throws {
    let model = try load("sequence") {
      $0.parameters = [
        "intra_op_thread_count": "2", "inter_op_thread_count": "2", "execution_mode": "1", "enable_mem_pattern": "0",
        "memory.enable_memory_arena_shrinkage": "cpu:0", "session.set_denormal_as_zero": "1",
      ]
      $0.graphOptimizationLevel = 2
    }
    let input = Contents(.fp32, [1, 2], of: [Float(3), 4])
    #expect(try model.makeInstance(index: 0).run([input]) == [Contents(.fp32, [1, 2], of: [Float(6), 8])])
    let withoutArena = try load("sequence") { $0.parameters = ["enable_mem_arena": "0"] }
    #expect(try withoutArena.makeInstance(index: 0).run([input]) == [Contents(.fp32, [1, 2], of: [Float(6), 8])])
  }

  /// The arena would grow by 602 kB a run if an output were kept.
  @Test func `an output's memory is used again once its owner is released`() throws {
    let model = try load("wide")
    let instance = try model.makeInstance(index: 0)
    let input = Contents(.fp32, [1, 150_528], [UInt8](repeating: 1, count: 602_112))
    _ = try instance.run([input])
    let before = model.memoryUsage
    for _ in 0..<50 { _ = try instance.run([input]) }
    #expect(model.memoryUsage == before)
  }

  /// More than an instance keeps owners for, released out of order and in between.
  @Test func `an output that is still held keeps its values through later runs`() throws {
    let instance = try load("sequence").makeInstance(index: 0)
    var held: [(tensor: Tensor, value: Float)] = []
    for number in 0..<300 {
      let input = Contents(.fp32, [1, 2], of: [Float(number), 1])
      let output = try #require(try instance.runHolding([input]).first)
      held.append((output, Float(2 * number)))
      if number % 3 == 0 { held.remove(at: number / 6).tensor.owner?.release() }
    }
    for (tensor, value) in held { #expect(tensor.bytes.loadUnaligned(as: Float.self) == value) }
    for (tensor, _) in held { tensor.owner?.release() }
  }

  @Test func `instances on four threads give the answers of one`() throws {
    let model = try load("sequence")
    let alone = try model.makeInstance(index: 0)
    let inputs = (0..<4).map { thread in
      Contents(.fp32, [8, 33], of: (0..<264).map { Float($0 * (thread + 1)) })
    }
    let expected = try inputs.map { try alone.run([$0]) }
    onThreads(4) { thread in
      do {
        let instance = try model.makeInstance(index: thread)
        for _ in 0..<200 {
          let answer = try instance.run([inputs[thread]])
          guard answer == expected[thread] else {
            Issue.record("thread \(thread) got another answer")
            return
          }
        }
      } catch {
        Issue.record("thread \(thread): \(error)")
      }
    }
  }
}
