import ApusClient
import Testing

@Suite struct InferenceClientTests {
  @Test func `a request and its answer keep every part on the way`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let inputs = [
      Tensor(name: "x", [1.5, -2] as [Float], shape: [1, 2]), Tensor(name: "s", ["a", ""]), Tensor(name: "b", [true]),
    ]
    var request = InferRequest(model: "m", inputs: inputs)
    request.version = "3"
    request.id = "q"
    request.parameters = ["priority": .uint64(2), "note": .string("x"), "timeout": .int64(-1), "f": .double(0.5)]
    request.outputs = [.init(name: "y", classCount: 2)]
    // The server sends the request's tensors back, and its parameters and the classes asked for as parameters.
    let answer = try await client.infer(request)
    #expect(answer.model == "m")
    #expect(answer.version == "3")
    #expect(answer.id == "q")
    #expect(answer.outputs == inputs)
    #expect(answer.parameters == request.parameters.merging(["y": .int64(2)]) { $1 })
  }

  @Test func `tensors of every size and kind arrive as they were, whether they are copied or sent from where they lie`()
    async throws
  {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    // Small ones between large ones, at both ends, and next to each other.
    let sizes = [3, 20_000, 5, 0, 8192, 8193, 100_000, 30_001, 1]
    for order in [sizes, sizes.reversed(), [20_000], [20_000, 30_000], [0], [1, 8193]] {
      var inputs = order.enumerated().map { index, size in
        Tensor(name: "t\(index)", (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index) })
      }
      let bytes = [UInt8](repeating: 4, count: 12_000)
      inputs.append(Tensor(name: "span", datatype: .fp16, shape: [6000], copying: bytes.span.bytes))
      inputs.append(Tensor(name: "text", (0..<3000).map { "number \($0)" }))
      let answer = try await client.infer(InferRequest(model: "m", inputs: inputs))
      #expect(answer.outputs == inputs)
    }
  }

  @Test func `an answer outlives its client, and its elements are read in place`() async throws {
    let server = try EchoServer()
    var output: Tensor?
    do {
      let client = try InferenceClient(server.address)
      let values = (0..<20_000).map(Float.init)
      output = try await client.infer(InferRequest(model: "m", inputs: [Tensor(name: "x", values)]))["x"]
      await client.close()
    }
    let sum = output?.withElements(as: Float.self) { elements in
      elements.indices.reduce(0) { $0 + Double(elements[$1]) }
    }
    #expect(sum == 199_990_000.0)
    #expect(output?.withElements(as: Int32.self) { $0.count } == nil)
  }

  @Test func `a tensor of each datatype comes back with it`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let inputs = Datatype.allCases.map { Tensor(name: $0.rawValue, datatype: $0, shape: [0], bytes: []) }
    #expect(try await client.infer(InferRequest(model: "m", inputs: inputs)).outputs == inputs)
  }

  @Test func `an answer that is no protobuf message is an error of this side`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let error = await #expect(throws: ClientError.self) { try await client.modelMetadata("m") }
    #expect(error?.origin == .client)
    #expect(error?.message.hasPrefix("the answer can't be read") == true)
  }

  @Test func `tensors give back the elements that they were made of, and only as their datatype`() {
    let tensor = Tensor(name: "x", [Int16.min, 7, Int16.max])
    #expect(tensor.elements(as: Int16.self) == [.min, 7, .max])
    #expect(tensor.elements(as: UInt16.self) == nil)
    #expect(Tensor(name: "s", ["a", "zü"]).strings == ["a", "zü"])
    #expect(Tensor(name: "s", datatype: .bytes, shape: [1], bytes: [9, 0, 0, 0, 1]).byteStrings == nil)
  }
}
