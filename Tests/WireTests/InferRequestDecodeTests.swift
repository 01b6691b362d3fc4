import Inference
import Testing
import Wire

struct InferRequestDecodeTests {
  /// From tritonclient's protobuf: two raw inputs, two parameters, a requested output with classification.
  private let fromTritonClient = hex(
    "0a067265736e65741201331a03722d31220e0a087072696f726974791202280222160a0774696d656f7574120b10fbffffffffffffffff"
      + "012a110a05696d6167651204465033321a0201022a100a0474657874120542595445531a0101321e0a0673636f72657312140a0e636c"
      + "617373696669636174696f6e120210033a080000803f000000403a06020000006869")

  @Test func `a client's request has everything that was sent`() throws {
    let call = Call()
    try call.decode(fromTritonClient)
    let request = call.request

    #expect(text(request.pointee.modelName) == "resnet")
    #expect(text(request.pointee.modelVersion) == "3")
    #expect(text(request.pointee.id) == "r-1")

    #expect(request.pointee.inputs.map { text($0.name) } == ["image", "text"])
    #expect(request.pointee.inputs.map(\.datatype) == [.fp32, .bytes])
    #expect(request.pointee.inputs.map { Array($0.shape) } == [[1, 2], [1]])
    #expect(request.pointee.inputs.map { Array($0.bytes) } == [hex("0000803f00000040"), hex("020000006869")])

    #expect(request.pointee.requestedOutputs.map { text($0.name) } == ["scores"])
    #expect(request.pointee.requestedOutputs.map(\.classCount) == [3])

    #expect(request.pointee.parameters.map { text($0.key) } == ["priority", "timeout"])
    #expect(request.pointee.parameters.map { text($0.value) } == ["uint64 2", "int64 -5"])
  }

  @Test func `raw contents are not copied`() throws {
    let call = Call()
    try call.decode(fromTritonClient)
    for tensor in call.request.pointee.inputs {
      #expect(call.messageRange.contains(UInt(bitPattern: tensor.bytes.baseAddress)))
    }
  }

  @Test func `raw contents in front of the names are found all the same`() throws {
    let call = Call()
    try call.decode(
      raw([1, 2]) + field(1, "m") + input("a", "UINT8", [2]) + raw([3]) + input("b", "UINT8", [1]))
    #expect(text(call.request.pointee.modelName) == "m")
    #expect(call.request.pointee.inputs.map { Array($0.bytes) } == [[1, 2], [3]])
  }

  @Test func `an empty request has nothing in it`() throws {
    let call = Call()
    try call.decode([])
    #expect(call.request.pointee.modelName.isEmpty)
    #expect(call.request.pointee.inputs.isEmpty)
  }

  // MARK: - Typed contents

  @Test(arguments: [
    ("BOOL", field(1, [1, 0]), [1, 0]),
    ("INT8", field(2, varint(5) + varint(UInt64(bitPattern: -2))), [5, 0xFE]),
    ("INT16", field(2, varint(UInt64(bitPattern: -2))), [0xFE, 0xFF]),
    ("INT32", field(2, varint(UInt64(bitPattern: -2))), [0xFE, 0xFF, 0xFF, 0xFF]),
    ("INT64", field(3, varint(258)), [2, 1, 0, 0, 0, 0, 0, 0]),
    ("UINT8", field(4, varint(0x1FF)), [0xFF]),
    ("UINT16", field(4, varint(258)), [2, 1]),
    ("UINT32", field(4, varint(258)), [2, 1, 0, 0]),
    ("UINT64", field(5, varint(258)), [2, 1, 0, 0, 0, 0, 0, 0]),
    ("FP32", field(6, [0, 0, 0x80, 0x3F]), [0, 0, 0x80, 0x3F]),
    ("FP64", field(7, [0, 0, 0, 0, 0, 0, 0xF0, 0x3F]), [0, 0, 0, 0, 0, 0, 0xF0, 0x3F]),
    ("BYTES", field(8, "hi") + field(8, ""), [2, 0, 0, 0, 0x68, 0x69, 0, 0, 0, 0]),
  ] as [(String, [UInt8], [UInt8])])
  func `typed contents become raw bytes`(datatype: String, fields: [UInt8], expected: [UInt8]) throws {
    let call = Call()
    try call.decode(input("x", datatype, [1], contents(fields)))
    #expect(Array(call.request.pointee.inputs[0].bytes) == expected)
  }

  @Test func `repeated numbers may come packed, one by one, or both`() throws {
    let call = Call()
    try call.decode(input("x", "INT32", [3], contents(field(2, 1) + field(2, [2]) + field(2, 3))))
    #expect(Array(call.request.pointee.inputs[0].bytes) == [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0])
  }

  @Test func `contents without elements are a tensor without elements`() throws {
    let call = Call()
    try call.decode(input("x", "FP32", [0], contents([])))
    #expect(call.request.pointee.inputs[0].bytes.isEmpty)
  }

  // MARK: - Parameters

  @Test func `a parameter without a value is unset`() throws {
    let call = Call()
    try call.decode(entry(4, "k", nil) + entry(4, "l", []))
    #expect(call.request.pointee.parameters.map { text($0.value) } == ["unset", "unset"])
  }

  @Test func `the last of two parameters with one key wins`() throws {
    let call = Call()
    try call.decode(entry(4, "k", field(1, 1)) + entry(4, "l", field(3, "x")) + entry(4, "k", field(2, 7)))
    #expect(call.request.pointee.parameters.map { text($0.key) } == ["k", "l"])
    #expect(call.request.pointee.parameters.map { text($0.value) } == ["int64 7", "string x"])
  }

  @Test func `the last of two classifications wins`() throws {
    let call = Call()
    try call.decode(
      field(6, field(1, "o") + entry(2, "classification", field(2, 3)) + entry(2, "classification", field(2, 5))))
    #expect(call.request.pointee.requestedOutputs[0].classCount == 5)
  }

  @Test func `fields of a later schema are skipped`() throws {
    let call = Call()
    try call.decode(
      field(1, "m") + field(99, "new") + field(98, 7) + input("x", "UINT8", [1], field(77, "?")) + raw([1]))
    #expect(text(call.request.pointee.modelName) == "m")
    #expect(Array(call.request.pointee.inputs[0].bytes) == [1])
  }
}

struct InferRequestRefusalTests {
  @Test(arguments: [
    (input("x", "FP32", [1]), "input 'x' has no contents, and the request has no raw_input_contents"),
    (
      input("x", "FP32", [1], contents(field(6, [0, 0, 0, 0]))) + raw([0, 0, 0, 0]),
      "input 'x' has contents, but the request has raw_input_contents; a request has one or the other"
    ),
    (
      input("x", "UINT8", [1]) + input("y", "UINT8", [1]) + raw([1]),
      "raw_input_contents has 1 entries; expected 2, one for each input"
    ),
    (
      input("x", "UINT8", [1]) + raw([1]) + raw([2]), "raw_input_contents has 2 entries; expected 1, one for each input"
    ),
    (
      input("x", "FP32", [1], contents(field(2, [1]))),
      "input 'x' of datatype FP32 has int_contents; expected fp32_contents"
    ),
    (
      input("x", "FP32", [1], contents(field(6, [0, 0, 0, 0]) + field(8, "a"))),
      "input 'x' of datatype FP32 has bytes_contents; expected fp32_contents"
    ),
    (
      input("x", "FP16", [1], contents([])),
      "input 'x' has datatype FP16, which contents has no field for; use raw_input_contents"
    ),
    (
      input("x", "BF16", [1], contents(field(6, [0, 0, 0, 0]))),
      "input 'x' has datatype BF16, which contents has no field for; use raw_input_contents"
    ),
    (
      input("x", "FLOAT", [1]) + raw([1]),
      "input 'x' has datatype 'FLOAT'; expected one of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, "
        + "FP16, FP32, FP64, BYTES, BF16"
    ),
    (
      input("x", "FP32", [2, -1]) + raw([1]),
      "input 'x' has shape [2, -1]; the length of an axis is 0 or more"
    ),
    (
      input("x", "FP32", [1], entry(4, "colour", field(3, "red"))) + raw([1]), "input 'x': unknown parameter 'colour'"
    ),
    (
      field(6, field(1, "o") + entry(2, "colour", field(3, "red"))), "output 'o': unknown parameter 'colour'"
    ),
    (
      field(6, field(1, "o") + entry(2, "classification", field(2, 0))),
      "output 'o': parameter 'classification' is an int64 over 0"
    ),
    (
      field(6, field(1, "o") + entry(2, "classification", nil)),
      "output 'o': parameter 'classification' is an int64 over 0"
    ),
  ] as [([UInt8], String)])
  func `a wrong tensor is refused by name`(bytes: [UInt8], message: String) {
    #expect(refusal(of: bytes) == .invalidArgument(message))
  }

  @Test func `counts past the limits are refused before anything is made of them`() {
    func many(_ count: Int, _ bytes: (Int) -> [UInt8]) -> [UInt8] { (0..<count).flatMap(bytes) }
    #expect(
      refusal(of: many(1025) { _ in field(5, [UInt8]()) })
        == .invalidArgument("inputs has 1025 entries; the limit is 1024"))
    #expect(
      refusal(of: many(1025) { _ in field(6, [UInt8]()) })
        == .invalidArgument("outputs has 1025 entries; the limit is 1024"))
    #expect(
      refusal(of: many(257) { entry(4, "\($0)", nil) })
        == .invalidArgument("parameters has 257 entries; the limit is 256"))
    #expect(
      refusal(of: input("x", "FP32", Array(repeating: 1, count: 65)) + raw([]))
        == .invalidArgument("input 'x': shape has 65 entries; the limit is 64"))
  }

  @Test func `a name in a refusal is cut where it gets long`() throws {
    let error = try #require(refusal(of: input(String(repeating: "n", count: 100_000), "FP32", [1])))
    #expect(error.message.utf8.count < 300)
  }
}
