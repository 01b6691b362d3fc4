import Inference
import Synchronization
import Testing
import Wire

/// Counts itself out.
private final class Owner {
  private static let count = Atomic<Int>(0)
  static var alive: Int { count.load(ordering: .relaxed) }
  init() { Owner.count.add(1, ordering: .relaxed) }
  deinit { Owner.count.subtract(1, ordering: .relaxed) }
}

@Suite(.serialized)
struct InferResponseEncodeTests {
  /// A call whose request has been answered with tensors of these sizes, each owned.
  private func answered(_ sizes: [Int], limitBytes: Int = 1 << 20) throws -> Call {
    let call = Call(limitBytes: limitBytes)
    try call.decode(field(3, "r-1"))
    let arena = call.request.pointee.arena
    let tensors = arena.pointee.allocate(Tensor.self, count: sizes.count)!
    for (index, size) in sizes.enumerated() {
      let name = copy(Array("out\(index)".utf8), in: arena)
      let shape = arena.pointee.allocate(Int64.self, count: 1)!
      shape.pointee = Int64(size)
      let bytes = copy((0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ index) }, in: arena)
      (tensors + index).initialize(
        to: Tensor(
          name: name, datatype: .uint8, shape: UnsafeBufferPointer(start: shape, count: 1), bytes: bytes,
          owner: Unmanaged.passRetained(Owner())))
    }
    call.request.pointee.outputs = UnsafeMutableBufferPointer(start: tensors, count: sizes.count)
    return call
  }

  private func copy(_ bytes: [UInt8], in arena: UnsafeMutablePointer<Arena>) -> UnsafeRawBufferPointer {
    let room = arena.pointee.allocate(byteCount: bytes.count)!
    room.copyMemory(from: bytes, byteCount: bytes.count)
    return UnsafeRawBufferPointer(start: room, count: bytes.count)
  }

  private func encode(_ call: Call, headroom: Int = 0) -> UnsafeMutableBufferPointer<Segment>? {
    var name = "resnet"
    var version = "12"
    return name.withUTF8 { name in
      version.withUTF8 { version in
        encodeModelInferResponse(
          call.request, modelName: UnsafeRawBufferPointer(name), modelVersion: UnsafeRawBufferPointer(version),
          headroom: headroom)
      }
    }
  }

  /// Sends the segments: joins their bytes and releases what they own.
  private func send(_ segments: UnsafeMutableBufferPointer<Segment>, skipping headroom: Int = 0) -> [UInt8] {
    let joined = segments.flatMap { Array($0.bytes) }
    for segment in segments { segment.owner?.release() }
    return Array(joined.dropFirst(headroom))
  }

  @Test(arguments: [[], [0], [5], [2048], [2049], [3, 0, 5000, 7, 100_000, 9000], [4000, 4000]])
  func `a client reads what the backend wrote`(sizes: [Int]) throws {
    let call = try answered(sizes)
    let segments = try #require(encode(call, headroom: 5))
    let response = try ModelInferResponse(decoding: send(segments, skipping: 5))
    call.request.pointee.releaseAnswer()

    #expect(response.modelName == "resnet")
    #expect(response.modelVersion == "12")
    #expect(response.id == "r-1")
    #expect(response.outputs.map(\.name) == sizes.indices.map { "out\($0)" })
    #expect(response.outputs.map(\.shape) == sizes.map { [Int64($0)] })
    #expect(response.outputs.map(\.datatype) == sizes.map { _ in .uint8 })
    for (index, output) in response.outputs.enumerated() {
      #expect(output.bytes == (0..<sizes[index]).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ index) })
    }
    #expect(Owner.alive == 0)
  }

  @Test func `large tensors go by reference and take their owner along`() throws {
    let call = try answered([10, 3000])
    let tensors = call.request.pointee.outputs
    let largeBytes = tensors[1].bytes
    let segments = try #require(encode(call))
    #expect(segments.count == 2)
    #expect(segments[1].bytes.baseAddress == largeBytes.baseAddress)
    #expect(tensors[0].owner != nil)
    #expect(tensors[1].owner == nil)
    #expect(segments[0].owner == nil)

    call.request.pointee.releaseAnswer()
    #expect(Owner.alive == 1)
    _ = send(segments)
    #expect(Owner.alive == 0)
  }

  @Test func `an arena that runs out changes nothing`() throws {
    var limit = 0
    while true {
      let roomy = try answered([100, 5000])
      let used = roomy.arena.pointee.usedBytes
      roomy.request.pointee.releaseAnswer()
      let call = try answered([100, 5000], limitBytes: used + limit)
      let segments = encode(call)
      if let segments { _ = send(segments) } else { #expect(call.request.pointee.outputs[1].owner != nil) }
      call.request.pointee.releaseAnswer()
      #expect(Owner.alive == 0)
      if segments != nil { break }
      limit += 16
    }
    #expect(limit > 0)
  }

  @Test(arguments: [nil, true, false] as [Bool?])
  func `a stream's answer says whether it is the last`(isFinal: Bool?) throws {
    let call = try answered([4, 5000])
    var name = "m"
    let segments = try #require(
      name.withUTF8 {
        encodeModelStreamInferResponse(
          call.request, modelName: UnsafeRawBufferPointer($0),
          modelVersion: UnsafeRawBufferPointer(start: nil, count: 0), isFinal: isFinal, headroom: 5)
      })
    let message = try ModelStreamInferResponse(decoding: send(segments, skipping: 5))
    call.request.pointee.releaseAnswer()
    let response = try #require(message.response)
    #expect(message.errorMessage.isEmpty)
    #expect(response.id == "r-1")
    #expect(response.outputs.map(\.bytes.count) == [4, 5000])
    #expect(response.parameters == (isFinal.map { ["triton_final_response": .bool($0)] } ?? [:]))
    #expect(Owner.alive == 0)
  }

  @Test func `a stream's failure names the request that failed`() throws {
    let call = try answered([4])
    defer { call.request.pointee.releaseAnswer() }
    var name = "m"
    var version = "2"
    let segments = try #require(
      name.withUTF8 { name in
        version.withUTF8 { version in
          encodeModelStreamInferError(
            call.request, .notFound("no model 'm'"), modelName: UnsafeRawBufferPointer(name),
            modelVersion: UnsafeRawBufferPointer(version), isFinal: true, headroom: 5)
        }
      })
    let message = try ModelStreamInferResponse(decoding: send(segments, skipping: 5))
    #expect(message.errorMessage == "no model 'm'")
    var expected = ModelInferResponse(modelName: "m")
    expected.modelVersion = "2"
    expected.id = "r-1"
    expected.parameters = ["triton_final_response": .bool(true)]
    #expect(message.response == expected)
  }
}
