import Gateway
import Inference
import Testing

@Test func `data may be flat or nested, and come before its datatype`() throws {
  let flat = try read(#"{"inputs":[{"name":"x","shape":[2,2],"datatype":"INT32","data":[1,2,3,4]}]}"#)
  #expect(flat.values(as: Int32.self) == [1, 2, 3, 4])
  let nested = try read(#"{"inputs":[{"data":[[1,2],[3,4]],"name":"x","datatype":"INT32","shape":[1,2,2]}]}"#)
  #expect(nested.values(as: Int32.self) == [1, 2, 3, 4])
  #expect(nested.shape() == [1, 2, 2])
}

@Test func `names, ids and strings keep what was escaped in them`() throws {
  let request = try read(
    #"{"id":"a\"b","inputs":[{"name":"na\u00efve","shape":[4],"datatype":"BYTES","#
      + #""data":["", "\ud83d\ude00\n\/", {"b64":"/wA="}, "ü"]}]}"#)
  #expect(String(decoding: request.pointer.pointee.id, as: UTF8.self) == "a\"b")
  #expect(request.name() == "naïve")
  #expect(request.strings() == [[], Array("😀\n/".utf8), [0xFF, 0], Array("ü".utf8)])
  try request.echo()
  let answer = try OpenInferenceWriter.write(request.pointer, binaryByDefault: false, binary: [])
  #expect(
    String(decoding: answer.bytes, as: UTF8.self)
      == #"{"model_name":"echo","model_version":"1","id":"a\"b","outputs":[{"name":"naïve","datatype":"BYTES","#
      + #""shape":[4],"data":["","😀\n/",{"b64":"/wA="},"ü"]}]}"#)
}

@Test func `booleans are words or 0 and 1`() throws {
  #expect(try elements("[true,false,1,0]", "BOOL", count: 4, as: UInt8.self) == [1, 0, 1, 0])
}

@Test func `binary data follows the JSON in the order of the inputs that say its size`() throws {
  let request = try read(
    #"{"inputs":[{"name":"a","shape":[2],"datatype":"UINT8","parameters":{"binary_data_size":2}},"#
      + #"{"name":"b","shape":[1],"datatype":"INT8","data":[-1]},"#
      + #"{"name":"c","shape":[1],"datatype":"FP16","parameters":{"binary_data_size":2}}]}"#, binary: [1, 2, 3, 4])
  #expect(request.values(0, as: UInt8.self) == [1, 2])
  #expect(request.values(1, as: Int8.self) == [-1])
  #expect(request.values(2, as: UInt16.self) == [0x0403])
  try request.echo()
  let answer = try OpenInferenceWriter.write(request.pointer, binaryByDefault: true, binary: [nil, false, true])
  let jsonByteCount = try #require(answer.jsonByteCount)
  #expect(Array(answer.bytes[jsonByteCount...]) == [1, 2, 3, 4])
  #expect(String(decoding: answer.bytes[..<jsonByteCount], as: UTF8.self).contains(#""name":"b","datatype":"INT8","shape":[1],"data":[-1]"#))
}

@Test func `binary data has to be as long as the inputs say together`() {
  let json = #"{"inputs":[{"name":"a","shape":[2],"datatype":"UINT8","parameters":{"binary_data_size":2}}]}"#
  #expect(message { _ = try read(json, binary: [1]) }?.contains("1 bytes of binary data are left") == true)
  #expect(message { _ = try read(json, binary: [1, 2, 3]) }?.contains("add up to 2") == true)
}

@Test func `requested outputs, their parameters and the request's come through`() throws {
  let request = makeRequest()
  let form = try OpenInferenceReader.read(
    ReceivedBody(
      #"""
      {"id":"1","unknown":{"x":[1,{"y":null}]},"parameters":{"priority":1,"timeout":5000,"big":18446744073709551615,
       "share":0.5,"name":"n","flag":true,"none":null,"binary_data_output":true},
       "inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}],
       "outputs":[{"name":"a","parameters":{"binary_data":false}},{"name":"b","parameters":{"classification":3}}]}
      """#.utf8), into: request)
  #expect(form == .openInference(binaryByDefault: true, binary: [false, nil]))
  let parameters = request.pointer.pointee.parameters.map {
    "\(String(decoding: $0.key, as: UTF8.self))=\(text($0.value))"
  }
  #expect(
    parameters == ["priority=int 1", "timeout=int 5000", "big=uint 18446744073709551615", "share=0.5", "name=n", "flag=true"])
  #expect(request.pointer.pointee.requestedOutputs.map(\.classCount) == [0, 3])
}

@Test func `tensors in shared memory are noted in the request, and have no data in the answer`() throws {
  let request = makeRequest()
  let form = try OpenInferenceReader.read(
    ReceivedBody(
      #"""
      {"inputs":[{"name":"a","shape":[1],"datatype":"UINT8","data":[7]},
       {"name":"b","shape":[2],"datatype":"FP16",
        "parameters":{"shared_memory_region":"r\"1","shared_memory_byte_size":4,"shared_memory_offset":8}}],
       "outputs":[{"name":"a"},{"name":"b","parameters":{"binary_data":false,"shared_memory_region":"s","shared_memory_byte_size":9}}]}
      """#.utf8), into: request)
  #expect(form == .openInference(binaryByDefault: false, binary: [nil, false]))
  #expect(request.pointer.pointee.inputs.map { Array($0.bytes) } == [[7], []])
  var places: [String] = []
  var next = request.pointer.pointee.sharedTensors
  while let place = next {
    let region = String(decoding: place.pointee.region, as: UTF8.self)
    places.append(
      "\(place.pointee.role) \(place.pointee.position): \(place.pointee.byteCount) at \(place.pointee.offset) of \(region)")
    next = place.pointee.next
  }
  #expect(places.sorted() == [#"input 1: 4 at 8 of r"1"#, "output 1: 9 at 0 of s"])
  try request.echo()
  let answer = try OpenInferenceWriter.write(request.pointer, binaryByDefault: true, binary: [nil, false])
  let jsonByteCount = try #require(answer.jsonByteCount)
  #expect(Array(answer.bytes[jsonByteCount...]) == [7])
  #expect(
    String(decoding: answer.bytes[..<jsonByteCount], as: UTF8.self)
      == #"{"model_name":"echo","model_version":"1","outputs":["#
      + #"{"name":"a","datatype":"UINT8","shape":[1],"parameters":{"binary_data_size":1}},"#
      + #"{"name":"b","datatype":"FP16","shape":[2],"parameters":{"shared_memory_region":"s","shared_memory_byte_size":9}}]}"#)
}

private func text(_ value: RequestParameter.Value) -> String {
  switch value {
  case .unset: "unset"
  case .bool(let value): "\(value)"
  case .int64(let value): "int \(value)"
  case .uint64(let value): "uint \(value)"
  case .double(let value): "\(value)"
  case .string(let value): String(decoding: value, as: UTF8.self)
  }
}

@Test(arguments: [
  ("", "expected an object, got the end of the text (at byte 0)"),
  ("[]", "expected an object, got a list (at byte 0)"),
  ("{", "expected a name in quotes, got the end of the text (at byte 1)"),
  ("{}", "'inputs' is missing: expected a list of tensors (at byte 0)"),
  (#"{"inputs":[]} x"#, "expected the end of the text, got x (at byte 14)"),
  (#"{"inputs":{}}"#, "inputs: expected a list, got an object (at byte 10)"),
  (#"{"inputs":[1]}"#, "inputs[0]: expected an object, got 1 (at byte 11)"),
  (#"{"inputs":[{}]}"#, "inputs[0]: 'name' is missing (at byte 11)"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]}"#, "'data' is missing"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FLOAT","data":[1]}]}"#, "inputs[0].datatype: expected a datatype such as FP32 or BYTES, got \"FLOAT\""),
  (#"{"inputs":[{"name":"x","shape":[-1],"datatype":"FP32","data":[1]}]}"#, "inputs[0].shape[0]: expected a length of 0 or more, got -1"),
  (#"{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1]}]}"#, "inputs[0].data: holds 1 elements; shape [2] takes 2"),
  (#"{"inputs":[{"name":"x","shape":[3,2],"datatype":"FP32","data":[[1,2,3],[4,5,6]]}]}"#, "inputs[0].data: is nested as [2,3]; 'shape' is [3,2]"),
  (#"{"inputs":[{"name":"x","shape":[4],"datatype":"FP32","data":[1,2,3,"x"]}]}"#, "inputs[0].data[3]: expected a number, got \"x\""),
  (#"{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[[1,2],[3]]}]}"#, "inputs[0].data[1]: the list is 1 long; those before it at this depth are 2 long"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[01]}]}"#, "a number with a leading zero"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1.]}]}"#, "without a digit after its point"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1e]}]}"#, "without digits in its exponent"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[+1]}]}"#, "expected a number, got '+'"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1,]}]}"#, "expected a number, got ']'"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1}]}"#, "expected ',' or ']', got '}'"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":5}]}"#, "inputs[0].data: expected a list, got 5"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1],"data":[1]}]}"#, "inputs[0].data: given twice"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP16","data":[1]}]}"#, "FP16 has no form in JSON"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":[1]}]}"#, "inputs[0].data[0]: expected a string, got 1"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["\ud800"]}]}"#, "half of a surrogate pair"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["\x"]}]}"#, "an escape that JSON does not have"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":[{"b64":"*"}]}]}"#, "base64"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1],"parameters":{"shared_memory_region":"r"}}]}"#, "both 'data' and the parameter 'shared_memory_region' are given"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"shared_memory_region":"r"}}]}"#, "inputs[0].parameters has the parameter 'shared_memory_region', but lacks 'shared_memory_byte_size'"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"shared_memory_offset":4}}]}"#, "inputs[0].parameters lacks the parameter 'shared_memory_region'"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"shared_memory_region":5}}]}"#, "inputs[0].parameters.shared_memory_region: expected a string, got 5"),
  (#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"shared_memory_offset":-1}}]}"#, "inputs[0].parameters.shared_memory_offset: expected 0 or more, got -1"),
  (#"{"inputs":[],"outputs":[{"name":"y","parameters":{"classification":1,"shared_memory_region":"r","shared_memory_byte_size":4}}]}"#, "outputs[0].parameters has both classification and shared_memory_region"),
  ("{\"id\":\"\u{1}\",\"inputs\":[]}", "a control character in a string"),
  (#"{"id":"x"#, "the string is not closed"),
  (#"{"id":1,"inputs":[]}"#, "id: expected a string, got 1"),
  (#"{"parameters":{"a":[1]},"inputs":[]}"#, "parameters.a: expected a string, a number, true or false, got a list"),
])
func `what is wrong is said with its place and what came`(_ json: String, _ expected: String) {
  let message = message { _ = try read(json) }
  #expect(message?.contains(expected) == true, "got: \(message ?? "no error")")
}

@Test func `bytes that are not UTF-8 are refused`() {
  let body = ReceivedBody(Array(#"{"id":""#.utf8) + [0xFF] + Array(#"","inputs":[]}"#.utf8))
  #expect(message { _ = try OpenInferenceReader.read(body, into: makeRequest()) } == "id: the string is not UTF-8 (at byte 7)")
}

@Test func `lists within lists have a limit`() {
  let deep = String(repeating: "[", count: 100_000)
  #expect(message { _ = try read(#"{"x":\#(deep)"#) }?.contains("deeper than the limit of 64") == true)
  let data = #"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":\#(deep)"#
  #expect(message { _ = try read(data) }?.contains("more than 32 lists") == true)
}

/// Every text that is a right one with a byte missing, doubled or changed is read or refused; nothing traps.
@Test func `no damage to a text does more than make an error`() {
  let json = Array(
    #"{"id":"aé","parameters":{"p":1.5},"inputs":[{"name":"x","shape":[2,1],"datatype":"FP32","data":[[1],[-2.5e3]]},{"name":"s","shape":[1],"datatype":"BYTES","data":["\ud83d\ude00"]}],"outputs":[{"name":"y"}]}"#
      .utf8)
  for position in json.indices {
    for damage in [[], [json[position], json[position]], [0], [UInt8(ascii: "\"")], [UInt8(ascii: "[")], [UInt8(ascii: "}")], [0xC3], [UInt8(ascii: "\\")], [UInt8(ascii: "9")]] {
      var damaged = json
      damaged.replaceSubrange(position...position, with: damage)
      _ = message { _ = try OpenInferenceReader.read(ReceivedBody(damaged), into: makeRequest()) }
      _ = message {
        _ = try ScoreReader.read(
          ReceivedBody(damaged),
          signature: ModelSignature(inputs: [TensorMetadata(name: "x", datatype: .fp32, shape: [-1])], outputs: [], isBatchable: true),
          into: makeRequest())
      }
    }
    _ = message { _ = try OpenInferenceReader.read(ReceivedBody(json[..<position]), into: makeRequest()) }
  }
}
