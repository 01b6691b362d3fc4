import Gateway
import Inference
import Testing

private let matrix = ModelSignature(
  inputs: [TensorMetadata(name: "X", datatype: .fp32, shape: [-1, 2])],
  outputs: [TensorMetadata(name: "label", datatype: .int64, shape: [-1])], isBatchable: true)
private let table = ModelSignature(
  inputs: [
    TensorMetadata(name: "age", datatype: .int64, shape: [-1, 1]), TensorMetadata(name: "name", datatype: .bytes, shape: [-1]),
  ], outputs: [], isBatchable: true)

private func score(_ json: String, _ signature: ModelSignature) throws -> (request: GatewayRequest, form: AnswerForm) {
  let request = makeRequest()
  return (request, try ScoreReader.read(ReceivedBody(json.utf8), signature: signature, into: request))
}

@Test(arguments: [
  #"{"input_data":[[1,2],[3,4]]}"#, #"{"input_data":{"X":[[1,2],[3,4]]}}"#,
  #"{"input_data":{"columns":["a","b"],"index":[0,1],"data":[[1,2],[3,4]]}}"#,
  #"{"input_data":{"data":[[1,2],[3,4]],"columns":[0,1]}}"#, #"{"inputs":[[1,2],[3,4]]}"#,
  #"{"inputs":{"X":[[1,2],[3,4]]},"signature_name":"serving_default"}"#, #"{"instances":[[1,2],[3,4]]}"#,
  #"{"instances":[{"X":[1,2]},{"X":[3,4]}]}"#,
  #"{"inputs":[{"name":"X","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]}"#,
])
func `one matrix has many forms`(_ json: String) throws {
  let (request, _) = try score(json, matrix)
  #expect(request.name() == "X")
  #expect(request.shape() == [2, 2])
  #expect(request.values(as: Float.self) == [1, 2, 3, 4])
}

@Test func `columns find their inputs by name, in any order, and others are dropped`() throws {
  let (request, form) = try score(
    #"{"input_data":{"columns":["name","extra","age"],"index":[0,1],"data":[["a",null,1],["b",[],2.0]]},"params":{"p":1}}"#, table)
  #expect(form == .list)
  #expect(request.shape(0) == [2, 1])
  #expect(request.values(0, as: Int64.self) == [1, 2])
  #expect(request.shape(1) == [2])
  #expect(request.strings(1) == [Array("a".utf8), Array("b".utf8)])
  #expect(request.pointer.pointee.parameters.count == 1)
}

@Test func `rows as objects give an input a member`() throws {
  let (request, form) = try score(#"{"instances":[{"age":1,"name":"a"},{"name":{"b64":"/w=="},"age":2}]}"#, table)
  #expect(form == .predictions)
  #expect(request.values(0, as: Int64.self) == [1, 2])
  #expect(request.strings(1) == [Array("a".utf8), [0xFF]])
}

@Test(arguments: [
  ("7", "expected an object with 'inputs', 'input_data' or 'instances', got 7"),
  ("{}", "expected 'inputs', 'input_data' or 'instances' as a member"),
  (#"{"dataframe_split":{}}"#, "expected 'inputs', 'input_data' or 'instances' as a member"),
  (#"{"input_data":[],"instances":[]}"#, "has 'input_data' too"),
  (#"{"input_data":[[1,2]]}"#, "input_data: expected an object with the model's inputs, 'age', 'name', got a list"),
  (#"{"input_data":{"columns":["age"],"data":[[1]]}}"#, "input_data.columns: 'name' is missing; the model takes 'age', 'name'"),
  (#"{"input_data":{"columns":["age","age","name"],"data":[]}}"#, "'age' is given twice"),
  (#"{"input_data":{"columns":["age","name"],"data":[[1]]}}"#, "input_data.data[0]: the row has 1 values; there are 2 columns"),
  (#"{"input_data":{"columns":["age","name"],"data":[[1,"a"],["x","a"]]}}"#, "input_data.data[1][0]: expected an integer, got \"x\""),
  (#"{"input_data":{"columns":["age","name"],"data":[[1.5,"a"]]}}"#, "input_data.data[0][0]: expected an integer from"),
  (#"{"input_data":{"age":[1]}}"#, "input_data: 'name' is missing"),
  (#"{"input_data":{"age":[1],"size":[1]}}"#, "input_data.size: not an input of the model; it takes 'age', 'name'"),
  (#"{"instances":[{"age":1}]}"#, "instances[0]: 'name' is missing"),
  (#"{"instances":[{"age":1,"name":"a"},{"age":1,"name":["a"]}]}"#, "instances[1].name: expected a string, got a list"),
])
func `what is wrong with a score is said with its place`(_ json: String, _ expected: String) {
  let message = message { _ = try score(json, table) }
  #expect(message?.contains(expected) == true, "got: \(message ?? "no error")")
}

@Test func `answers mirror the form of the question`() throws {
  let (request, _) = try score(#"{"inputs":{"age":[[1],[2]],"name":["a","b"]}}"#, table)
  try request.echo()
  func text(_ form: AnswerForm) -> String { String(decoding: ScoreWriter.write(request.pointer, form), as: UTF8.self) }
  #expect(text(.outputs) == #"{"outputs":{"age":[[1],[2]],"name":["a","b"]}}"#)
  #expect(text(.predictions) == #"{"predictions":[{"age":[1],"name":"a"},{"age":[2],"name":"b"}]}"#)
  #expect(text(.list) == #"[{"age":[1],"name":"a"},{"age":[2],"name":"b"}]"#)
  let (single, _) = try score(#"{"input_data":[[1,2.5]]}"#, matrix)
  try single.echo()
  #expect(String(decoding: ScoreWriter.write(single.pointer, .list), as: UTF8.self) == "[[1.0,2.5]]")
  #expect(String(decoding: ScoreWriter.write(single.pointer, .predictions), as: UTF8.self) == #"{"predictions":[[1.0,2.5]]}"#)
}

@Test func `a body of bytes alone is the one input`() throws {
  let request = makeRequest()
  try ScoreReader.readRaw(ReceivedBody([UInt8](repeating: 0, count: 8)), signature: matrix, into: request)
  #expect(request.shape() == [1, 2])
  #expect(
    message { try ScoreReader.readRaw(ReceivedBody([1]), signature: table, into: makeRequest()) }?
      .contains("this one has 2: 'age', 'name'") == true)
  let open = ModelSignature(
    inputs: [TensorMetadata(name: "x", datatype: .fp32, shape: [-1, -1])], outputs: [], isBatchable: true)
  try ScoreReader.readRaw(ReceivedBody([UInt8](repeating: 0, count: 12)), signature: open, into: request)
  #expect(request.shape() == [1, 3])
  #expect(
    message { try ScoreReader.readRaw(ReceivedBody([1]), signature: open, into: makeRequest()) }
      == "the body has 1 bytes; input 'x' takes a multiple of 4")
}

@Test func `sixteen-bit floats are numbers in the forms that go by the signature`() throws {
  let half = ModelSignature(
    inputs: [TensorMetadata(name: "h", datatype: .fp16, shape: [-1]), TensorMetadata(name: "b", datatype: .bf16, shape: [-1])],
    outputs: [], isBatchable: true)
  let (request, _) = try score(#"{"inputs":{"h":[1.5,0.1],"b":[1.5,-2]}}"#, half)
  #expect(request.values(0, as: UInt16.self) == [0x3E00, 0x2E66])
  #expect(request.values(1, as: UInt16.self) == [0x3FC0, 0xC000])
}
