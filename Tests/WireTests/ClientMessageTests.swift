import Inference
import Testing
import Wire

/// What clients write and read without copying tensors, beside the messages that copy.
@Suite struct ClientMessageTests {
  private func written(_ body: (inout RequestWriter) -> Void) throws -> ModelInferRequest {
    var writer = RequestWriter(reserving: 0, headroom: 3)
    body(&writer)
    let bytes = writer.take()
    defer { bytes.deallocate() }
    return try ModelInferRequest(decoding: UnsafeRawBufferPointer(rebasing: bytes[3...]))
  }

  @Test func `a request is read back as it was written`() throws {
    let values: [String: InferParameter] = [
      "a": .bool(true), "b": .int64(-5), "c": .uint64(.max), "d": .double(-0.25), "e": .string("zü"),
    ]
    let request = try written { writer in
      writer.head(modelName: "m", modelVersion: "3", id: "q")
      for (key, value) in values { writer.requestParameter(key, value) }
      writer.input(name: "x", datatype: .fp32, shape: [1, -2, 1 << 40], parameters: [("p", .bool(false))])
      writer.input(name: "scalar", datatype: .bf16, shape: [])
      writer.requestedOutput(name: "y", classCount: 3)
      writer.requestedOutput(name: "z", classCount: 0)
      for contents in [[1, 2, 3, 4], []] as [[UInt8]] {
        writer.rawContentsHead(byteCount: contents.count)
        contents.withUnsafeBytes { writer.bytes($0) }
      }
    }
    var expected = ModelInferRequest(modelName: "m")
    expected.modelVersion = "3"
    expected.id = "q"
    expected.parameters = values
    expected.inputs = [
      InferTensor(name: "x", datatype: .fp32, shape: [1, -2, 1 << 40], bytes: [1, 2, 3, 4]),
      InferTensor(name: "scalar", datatype: .bf16, shape: [], bytes: []),
    ]
    expected.inputs[0].parameters = ["p": .bool(false)]
    expected.outputs = [InferRequestedOutput(name: "y"), InferRequestedOutput(name: "z")]
    expected.outputs[0].parameters = ["classification": .int64(3)]
    #expect(request == expected)
  }

  /// The length of a nested message takes one byte up to 127, two up to 16,383, three after that.
  @Test(arguments: [100, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 16_380, 16_384, 16_390, 70_000])
  func `messages inside messages may have any length`(length: Int) throws {
    let name = String(repeating: "n", count: length)
    let request = try written { writer in
      writer.head(modelName: "m", modelVersion: "", id: "")
      writer.requestParameter("k", .string(name))
      writer.input(name: name, datatype: .uint8, shape: [1], parameters: [(name, .string(name))])
      writer.rawContentsHead(byteCount: 0)
    }
    #expect(request.parameters == ["k": .string(name)])
    #expect(request.inputs.first?.name == name)
    #expect(request.inputs.first?.parameters == [name: .string(name)])
  }

  private static let response: ModelInferResponse = {
    var response = ModelInferResponse(modelName: "m")
    response.modelVersion = "2"
    response.id = "ä"
    response.parameters = ["triton_final_response": .bool(true), "n": .int64(-1)]
    response.outputs = [
      InferTensor(name: "y", datatype: .int16, shape: [2, 1], bytes: [1, 0, 2, 0]),
      InferTensor(name: "z", datatype: .bytes, shape: [1], bytes: [1, 0, 0, 0, 65]),
    ]
    response.outputs[1].parameters = ["u": .uint64(7), "d": .double(1.5), "s": .string("x")]
    return response
  }()

  private func scanned(_ bytes: [UInt8]) -> ModelInferResponse? {
    bytes.withUnsafeBytes { bytes in
      guard let scan = ScannedInferResponse(bytes) else { return nil }
      var response = ModelInferResponse(modelName: scan.modelName)
      response.modelVersion = scan.modelVersion
      response.id = scan.id
      response.parameters = scan.parameters
      response.outputs = scan.outputs.map { output in
        var tensor = InferTensor(
          name: output.name, datatype: output.datatype, shape: output.shape, bytes: Array(output.bytes))
        tensor.parameters = output.parameters
        return tensor
      }
      return response
    }
  }

  @Test func `an answer is read where it lies as it is read by copying`() throws {
    let bytes = Self.response.encoded()
    #expect(scanned(bytes) == Self.response)
    #expect(try ModelInferResponse(decoding: bytes) == Self.response)
  }

  @Test func `an answer in a stream is found with its error`() throws {
    let bytes = ModelStreamInferResponse(errorMessage: "no", response: Self.response).encoded()
    try bytes.withUnsafeBytes { bytes in
      let scan = try #require(ScannedStreamResponse(bytes))
      #expect(scan.errorMessage == "no")
      #expect(scanned(Array(try #require(scan.response))) == Self.response)
    }
  }

  /// Whatever the bytes are, the scan stays inside them and, where it takes them, agrees with protobuf-c.
  @Test func `broken answers are left to the decoder, or read as it reads them`() throws {
    let whole = Self.response.encoded()
    for count in 0..<whole.count { compare(Array(whole[..<count])) }
    for index in whole.indices {
      for value in [0, 1, 2, 0x7f, 0x80, 0xff, whole[index] ^ 1, whole[index] ^ 8] as [UInt8] {
        var broken = whole
        broken[index] = value
        compare(broken)
      }
    }
  }

  private func compare(_ bytes: [UInt8]) {
    guard let scan = scanned(bytes) else { return }
    let decoded = try? ModelInferResponse(decoding: bytes)
    // The scan takes no answer whose tensors lack contents; everything that it takes is the same.
    // As bytes, since NaN is not equal to itself.
    #expect(scan.encoded() == decoded?.encoded())
  }

  @Test func `an answer with typed contents is left to the decoder`() {
    // outputs { name: "y" datatype: "FP32" shape: 1 contents { fp32_contents: 1 } }
    let contents: [UInt8] = [50, 4, 0, 0, 128, 63]
    let output = [10, 1, 121, 18, 4, 70, 80, 51, 50, 26, 1, 1, 42, UInt8(contents.count)] + contents
    let bytes = [10, 1, 109, 42, UInt8(output.count)] + output
    #expect(scanned(bytes) == nil)
    #expect((try? ModelInferResponse(decoding: bytes))?.outputs.first?.bytes == [0, 0, 128, 63])
  }
}
