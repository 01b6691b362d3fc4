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
