import ApusClient
import Testing
import apus

@Suite struct TensorJSONTests {
  private func tensor(
    _ json: String, _ datatype: Datatype, _ axes: [Int64], shape: [Int64]? = nil
  ) throws(UsageError) -> Tensor {
    let metadata = TensorMetadata(name: "x", datatype: datatype, shape: axes)
    return try Tensor(try JSONValue(parsing: json, from: "here"), as: metadata, shape: shape)
  }

  @Test func `what is no JSON is refused with its place`() {
    let cases = [
      ("[1e400]", "here: not JSON: 1e400 is out of range of 64-bit floats"),
      ("[1,", "here: not JSON: something is missing at its end: '[1,'"),
      ("[1 2]", "here: not JSON: line 1, column 4: '…2]'"),
      ("[1,\n 2,\n oops]", "here: not JSON: line 3, column 2: '…oops]'"),
    ]
    for (text, message) in cases {
      #expect(#expect(throws: UsageError.self) { try tensor(text, .fp64, [-1]) }?.message == message)
    }
  }

  @Test func `a number that the datatype can't hold is refused`() {
    for (text, datatype) in [("[1e39]", .fp32), ("[65520]", .fp16), ("[256]", .uint8)] as [(String, Datatype)] {
      #expect(throws: UsageError.self) { try tensor(text, datatype, [-1]) }
    }
    #expect(throws: Never.self) { try tensor(#"["Infinity"]"#, .fp32, [-1]) }
  }

  @Test func `nesting is the shape`() throws {
    let made = try tensor("[[1, 2.5, 3], [4, 5, 6]]", .fp32, [-1, -1])
    #expect(made.shape == [2, 3])
    #expect(made.elements(as: Float.self) == [1, 2.5, 3, 4, 5, 6])
    #expect(try tensor("7", .int64, []).shape == [])
    #expect(try tensor("[]", .int64, [-1]).shape == [0])
  }

  @Test func `a flat list takes the input's shape where that leaves one length open`() throws {
    #expect(try tensor("[1, 2, 3, 4]", .int32, [-1, 2]).shape == [2, 2])
    #expect(try tensor("[1, 2, 3, 4]", .int32, [2, 2]).shape == [2, 2])
    #expect(try tensor("[1, 2, 3, 4]", .int32, [-1, -1]).shape == [4])
    #expect(try tensor("[1, 2, 3]", .int32, [-1, 2]).shape == [3])
    #expect(try tensor("[[1, 2], [3, 4]]", .int32, [-1, 4, 1]).shape == [2, 2])
  }

  @Test func `a given shape must be filled`() throws {
    #expect(try tensor("[1, 2, 3, 4]", .int32, [-1], shape: [4, 1]).shape == [4, 1])
    let error = #expect(throws: UsageError.self) { try tensor("[1, 2, 3]", .int32, [-1], shape: [2, 2]) }
    #expect(error?.message == "x: 3 elements; shape [2, 2] has 4")
  }

  @Test func `every datatype keeps its extremes`() throws {
    #expect(try tensor("[0, 255]", .uint8, [-1]).bytes == [0, 255])
    #expect(try tensor("[-128, 127]", .int8, [-1]).elements(as: Int8.self) == [.min, .max])
    #expect(try tensor("[18446744073709551615]", .uint64, [-1]).elements(as: UInt64.self) == [.max])
    #expect(try tensor("[-9223372036854775808]", .int64, [-1]).elements(as: Int64.self) == [.min])
    #expect(try tensor("[true, 0, 1]", .bool, [-1]).bools == [true, false, true])
    #expect(try tensor("[1.5]", .fp16, [-1]).elements(as: Float16.self) == [1.5])
    #expect(try tensor("[0.1, \"Infinity\"]", .fp64, [-1]).elements(as: Double.self) == [0.1, .infinity])
    #expect(try tensor("[1.0, 1.00390625, 1.01171875]", .bf16, [-1]).bytes == [0x80, 0x3f, 0x80, 0x3f, 0x82, 0x3f])
    #expect(try tensor("[\"a\", \"zü\"]", .bytes, [-1]).bytes == [1, 0, 0, 0, 97, 3, 0, 0, 0, 122, 0xc3, 0xbc])
  }

  @Test func `an element that does not fit is named`() {
    let cases: [(String, Datatype, String)] = [
      ("[1, 256]", .uint8, "x: element 1 is 256, which is no UINT8"),
      ("[[1, 2], [3, -1]]", .uint64, "x: element 3 is -1, which is no UINT64"),
      ("[1.5]", .int32, "x: element 0 is 1.5, which is no INT32"),
      ("[\"1\"]", .fp32, "x: element 0 is \"1\", which is no FP32"),
      ("[true]", .fp32, "x: element 0 is true, which is no FP32"),
      ("[1]", .bytes, "x: element 0 is 1, which is no BYTES"),
      ("[[1, 2], [3]]", .int32, "x[1] has shape [1]; the ones before it have [2]"),
      ("{\"a\": 1}", .int32, "x: expected a value or a list, found an object"),
    ]
    for (json, datatype, message) in cases {
      let error = #expect(throws: UsageError.self) { try tensor(json, datatype, [-1]) }
      #expect(error?.message == message)
    }
  }

  @Test func `the REST form of a request is read field by field`() throws {
    let text = """
      {"id": "7", "parameters": {"priority": 2, "note": "x"},
       "inputs": [{"name": "a", "shape": [1, 2], "datatype": "INT32", "data": [[3, 4]]}],
       "outputs": [{"name": "o"}, {"name": "p", "parameters": {"classification": 3}}]}
      """
    let request = try InferRequest(json: try JSONValue(parsing: text, from: "r"), model: "m", from: "r")
    var expected = InferRequest(model: "m", inputs: [Tensor(name: "a", [3, 4] as [Int32], shape: [1, 2])])
    expected.id = "7"
    expected.parameters = ["priority": .int64(2), "note": .string("x")]
    expected.outputs = [.init(name: "o"), .init(name: "p", classCount: 3)]
    #expect(request == expected)
  }

  @Test func `a field that is wrong in the REST form is named with its place`() {
    let cases = [
      ("{}", "r: 'inputs' is missing"),
      ("[]", "r: expected an object, found a list"),
      ("{\"inputs\": [{}]}", "r: inputs[0]: 'name' is missing"),
      (
        "{\"inputs\": [{\"name\": \"a\", \"datatype\": \"FP32\", \"shape\": [-1], \"data\": []}]}",
        "r: inputs[0].shape[0]: expected a length, 0 or more, found a number"
      ),
      (
        "{\"inputs\": [{\"name\": \"a\", \"datatype\": \"FP32\", \"shape\": [2], \"data\": [1]}]}",
        "a: 1 elements; shape [2] has 2"
      ),
    ]
    for (text, message) in cases {
      let error = #expect(throws: UsageError.self) {
        try InferRequest(json: try JSONValue(parsing: text, from: "r"), model: "m", from: "r")
      }
      #expect(error?.message == message)
    }
  }

  @Test func `an answer's REST form has floats as short as they are exact`() throws {
    let outputs = [
      Tensor(name: "f", [0.1, .infinity] as [Float], shape: [1, 2]),
      Tensor(name: "b", byteStrings: [Array("ok".utf8), [0xff]]),
    ]
    let answer = InferResponse(model: "m", version: "1", id: "", outputs: outputs)
    #expect(
      try answer.json.text() == """
        {"model_name":"m","model_version":"1","outputs":[\
        {"data":[0.1,"Infinity"],"datatype":"FP32","name":"f","shape":[1,2]},\
        {"data":["ok",{"b64":"/w=="}],"datatype":"BYTES","name":"b","shape":[2]}]}
        """)
  }
}
