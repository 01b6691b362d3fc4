import Gateway
import Inference
import Testing

private let signature = ModelSignature(
  inputs: [
    TensorMetadata(name: "age", datatype: .int64, shape: [-1, 1]), TensorMetadata(name: "name", datatype: .bytes, shape: [-1]),
  ], outputs: [TensorMetadata(name: "score", datatype: .fp32, shape: [-1, 2])], isBatchable: true)

private func description(_ signature: ModelSignature) -> EndpointDescription {
  EndpointDescription(endpoint: "churn", version: "blue", signature: signature)
}

@Test func `an example has every input, with one row`() {
  let example = description(signature).example.map { String(decoding: $0.bytes, as: UTF8.self) }
  #expect(example == #"{"input_data":{"age":[[1]],"name":["text"]}}"#)
}

@Test func `the example is read as a request that fits`() throws {
  let example = try #require(description(signature).example)
  let request = makeRequest()
  let form = try ScoreReader.read(ReceivedBody(example.bytes), signature: signature, into: request)
  #expect(form == .list)
  #expect(request.shape(0) == [1, 1] && request.shape(1) == [1])
}

@Test func `inputs too large to print are described without an example`() {
  let large = ModelSignature(
    inputs: [TensorMetadata(name: "image", datatype: .fp32, shape: [-1, 3, 224, 224])], outputs: [], isBatchable: true)
  #expect(description(large).example == nil)
}

@Test func `every version names itself, and says what the tensors are`() {
  for (version, start) in [
    (OpenAPIVersion.two, #"{"swagger":"2.0","#), (.three, #"{"openapi":"3.0.3","#), (.threeOne, #"{"openapi":"3.1.0","#),
  ] {
    let text = String(decoding: description(signature).document(version).bytes, as: UTF8.self)
    #expect(text.hasPrefix(start))
    #expect(text.contains(#""age":{"type":"array","items":{"type":"array","minItems":1,"maxItems":1,"items":{"type":"integer","format":"int64"}}}"#))
    #expect(text.contains(#""ServiceOutput":{"type":"array","items":{"type":"array","minItems":2,"maxItems":2,"items":{"type":"number","format":"float"}}}"#))
  }
}

@Test func `versions go by the words that Azure ML takes`() {
  #expect(OpenAPIVersion(word: nil) == .two && OpenAPIVersion(word: "2.0") == .two)
  #expect(OpenAPIVersion(word: "3") == .three && OpenAPIVersion(word: "3.1") == .threeOne)
  #expect(OpenAPIVersion(word: "9") == nil)
}
