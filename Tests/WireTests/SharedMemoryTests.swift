import Inference
import Testing
import Wire

/// The parameters of a tensor in shared memory; `number` is that of the map in the tensor.
private func place(_ number: UInt64, _ region: String, size: Int64, offset: Int64? = nil) -> [UInt8] {
  entry(number, "shared_memory_region", field(3, region)) + entry(number, "shared_memory_byte_size", field(2, size))
    + (offset.map { entry(number, "shared_memory_offset", field(2, $0)) } ?? [])
}

private let inputParameters: UInt64 = 4
private let outputParameters: UInt64 = 2

/// What a request has in shared memory, as text and in order.
private func shared(_ call: Call) -> [String] {
  withExtendedLifetime(call) {
    var found: [String] = []
    var next = call.request.pointee.sharedTensors
    while let tensor = next {
      let value = tensor.pointee
      found.append("\(value.role) \(value.position): \(value.byteCount) at \(value.offset) of \(text(value.region))")
      next = value.next
    }
    return found.sorted()
  }
}

struct SharedMemoryDecodeTests {
  @Test func `inputs in shared memory take no entry of the raw contents`() throws {
    let call = Call()
    try call.decode(
      input("a", "UINT8", [4], place(inputParameters, "r", size: 4, offset: 8)) + input("b", "UINT8", [1])
        + input("c", "UINT8", [2], place(inputParameters, "s", size: 2)) + raw([7]) + field(6, field(1, "o"))
        + field(6, field(1, "p") + place(outputParameters, "r", size: 16, offset: 0)))
    #expect(call.request.pointee.inputs.map { Array($0.bytes) } == [[], [7], []])
    #expect(call.request.pointee.requestedOutputs.map { text($0.name) } == ["o", "p"])
    #expect(shared(call) == ["input 0: 4 at 8 of r", "input 2: 2 at 0 of s", "output 1: 16 at 0 of r"])
  }

  @Test func `typed contents and shared memory go together in one request`() throws {
    let call = Call()
    try call.decode(
      input("a", "INT32", [1], contents(field(2, [5]))) + input("b", "INT32", [1], place(inputParameters, "r", size: 4)))
    #expect(call.request.pointee.inputs.map { Array($0.bytes) } == [[5, 0, 0, 0], []])
    #expect(shared(call) == ["input 1: 4 at 0 of r"])
  }

  @Test func `a request without shared memory has none`() throws {
    let call = Call()
    try call.decode(input("x", "UINT8", [1]) + raw([1]))
    #expect(shared(call).isEmpty)
  }

  @Test(arguments: [
    (
      input("x", "UINT8", [1], place(4, "r", size: 1)) + raw([1]),
      "raw_input_contents has 1 entries; expected 0, one for each input that is not in shared memory"
    ),
    (
      input("x", "UINT8", [1], place(4, "r", size: 1)) + input("y", "UINT8", [1]) + raw([1]) + raw([2]),
      "raw_input_contents has 2 entries; expected 1, one for each input that is not in shared memory"
    ),
    (
      input("x", "UINT8", [1], place(4, "r", size: 1) + contents(field(4, [1]))),
      "input 'x' has contents and the parameter 'shared_memory_region'; an input has one or the other"
    ),
    (
      input("x", "UINT8", [1], entry(4, "shared_memory_region", field(3, "r"))),
      "input 'x' has the parameter 'shared_memory_region', but lacks 'shared_memory_byte_size', its size there"
    ),
    (
      input("x", "UINT8", [1], entry(4, "shared_memory_byte_size", field(2, 1))),
      "input 'x' lacks the parameter 'shared_memory_region', the name of a region in shared memory"
    ),
    (
      input("x", "UINT8", [1], place(4, "", size: 1)),
      "input 'x' lacks the parameter 'shared_memory_region', the name of a region in shared memory"
    ),
    (
      input("x", "UINT8", [1], entry(4, "shared_memory_region", field(2, 1))),
      "input 'x': parameter 'shared_memory_region' is a string"
    ),
    (
      input("x", "UINT8", [1], entry(4, "shared_memory_region", nil)),
      "input 'x': parameter 'shared_memory_region' is a string"
    ),
    (
      input("x", "UINT8", [1], place(4, "r", size: -1)),
      "input 'x': parameter 'shared_memory_byte_size' is an int64 of 0 or more"
    ),
    (
      input("x", "UINT8", [1], place(4, "r", size: 1, offset: -1)),
      "input 'x': parameter 'shared_memory_offset' is an int64 of 0 or more"
    ),
    (
      input("x", "UINT8", [1], place(4, "r", size: 1) + entry(4, "shared_memory_colour", field(2, 1))),
      "input 'x': unknown parameter 'shared_memory_colour'"
    ),
    (
      field(6, field(1, "o") + entry(2, "shared_memory_offset", field(2, 1))),
      "output 'o' lacks the parameter 'shared_memory_region', the name of a region in shared memory"
    ),
    (
      field(6, field(1, "o") + place(2, "r", size: 1) + entry(2, "classification", field(2, 3))),
      "output 'o' has the parameters 'classification' and 'shared_memory_region'; an output has one or the other"
    ),
  ] as [([UInt8], String)])
  func `half of a place, or two for one tensor, is refused by name`(bytes: [UInt8], message: String) {
    #expect(refusal(of: bytes) == .invalidArgument(message))
  }
}

struct SharedMemoryEncodeTests {
  private func bytes(_ text: StaticString) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
  }

  /// A call that is answered with so many outputs of two bytes, of which these lie in shared memory: by position, each
  /// with its offset.
  private func answered(_ count: Int, shared: [(Int, Int)]) throws -> Call {
    let call = Call()
    try call.decode([])
    let arena = call.arena
    let tensors = arena.pointee.allocate(Tensor.self, count: count)!
    let shape = arena.pointee.allocate(Int64.self, count: 1)!
    shape.pointee = 2
    for index in 0..<count {
      let isShared = shared.contains { $0.0 == index }
      (tensors + index).initialize(
        to: Tensor(
          name: bytes("out"), datatype: .uint8, shape: UnsafeBufferPointer(start: shape, count: 1),
          bytes: isShared ? UnsafeRawBufferPointer(start: nil, count: 0) : bytes("ab")))
    }
    for (position, offset) in shared {
      let isNoted = call.request.pointee.note(
        SharedTensor(role: .output, position: position, region: bytes("r"), offset: offset, byteCount: 300))
      #expect(isNoted)
    }
    call.request.pointee.outputs = UnsafeMutableBufferPointer(start: tensors, count: count)
    return call
  }

  @Test func `an output in shared memory says where it is and leaves its raw contents empty`() throws {
    let call = try answered(3, shared: [(0, 0), (2, 1 << 33)])
    let name = bytes("m")
    let segments = try #require(encodeModelInferResponse(call.request, modelName: name, modelVersion: name, headroom: 0))
    let response = try ModelInferResponse(decoding: segments.flatMap { Array($0.bytes) })
    call.request.pointee.releaseAnswer()
    #expect(response.outputs.map(\.bytes) == [[], Array("ab".utf8), []])
    #expect(response.outputs.map(\.shape) == [[2], [2], [2]])
    #expect(
      response.outputs.map(\.parameters) == [
        ["shared_memory_region": .string("r"), "shared_memory_byte_size": .int64(300)],
        [:],
        [
          "shared_memory_region": .string("r"), "shared_memory_byte_size": .int64(300),
          "shared_memory_offset": .int64(1 << 33),
        ],
      ])
  }

  @Test func `a stream's answer says it too`() throws {
    let call = try answered(1, shared: [(0, 7)])
    let name = bytes("m")
    let segments = try #require(
      encodeModelStreamInferResponse(call.request, modelName: name, modelVersion: name, isFinal: true, headroom: 0))
    let message = try ModelStreamInferResponse(decoding: segments.flatMap { Array($0.bytes) })
    call.request.pointee.releaseAnswer()
    let output = try #require(message.response?.outputs.first)
    #expect(output.bytes.isEmpty && output.parameters["shared_memory_offset"] == .int64(7))
  }
}
