import Glibc
import Inference
import Testing

private typealias Value = OwnedRequest.Value

private let signature = ModelSignature(
  inputs: [
    TensorMetadata(name: "INPUT0", datatype: .fp32, shape: [-1, 16]),
    TensorMetadata(name: "INPUT1", datatype: .int64, shape: [-1, -1, 2]),
    TensorMetadata(name: "TEXT", datatype: .bytes, shape: [-1, 1]),
  ],
  outputs: [
    TensorMetadata(name: "SCORES", datatype: .fp32, shape: [-1, 4]),
    TensorMetadata(name: "LABEL", datatype: .bytes, shape: [-1, 1]),
    TensorMetadata(name: "FLAG", datatype: .bool, shape: [-1, 1]),
  ], isBatchable: true)

private func input0(_ shape: [Int64] = [2, 16], bytes: Int = 128, datatype: Datatype = .fp32) -> Value {
  Value(name: "INPUT0", datatype: datatype, shape: shape, bytes: Array(repeating: 0, count: bytes))
}

private func input1(_ shape: [Int64] = [2, 3, 2], bytes: Int = 96) -> Value {
  Value(name: "INPUT1", datatype: .int64, shape: shape, bytes: Array(repeating: 0, count: bytes))
}

private func text(_ bytes: [UInt8] = [0, 0, 0, 0, 1, 0, 0, 0, 65], rows: Int64 = 2) -> Value {
  Value(name: "TEXT", datatype: .bytes, shape: [rows, 1], bytes: bytes)
}

/// Validates a request against `signature` with a maximum of 8 rows, and gives the error's message.
private func refusal(
  _ inputs: [Value], outputs: [(name: String, classCount: Int)] = [], of signature: ModelSignature = signature,
  max: Int = 8
) throws -> String? {
  let validator = RequestValidator(signature: signature, maxBatchSize: max)
  let request = try OwnedRequest(inputs: inputs, requestedOutputs: outputs)
  do {
    try validator.validate(request.pointer)
    return nil
  } catch {
    #expect(error.code == .invalidArgument)
    return error.message
  }
}

@Test func `inputs in any order end up in the signature's`() throws {
  let validator = RequestValidator(signature: signature, maxBatchSize: 8)
  for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
    let inputs = [input0(), input1(), text()]
    let request = try OwnedRequest(inputs: order.map { inputs[$0] })
    try validator.validate(request.pointer)
    let names = request.pointer.pointee.inputs.map { String(decoding: $0.name, as: UTF8.self) }
    #expect(names == ["INPUT0", "INPUT1", "TEXT"])
    #expect(request.pointer.pointee.rows == 2)
    #expect(request.pointer.pointee.wantedOutputs == .max)
  }
}

@Test func `a long name is cut where a character ends`() throws {
  var stranger = text()
  for (name, kept) in [
    (String(repeating: "n", count: 100), String(repeating: "n", count: 100)),
    (String(repeating: "n", count: 10_000), String(repeating: "n", count: 100) + "…"),
    ("x" + String(repeating: "é", count: 50), "x" + String(repeating: "é", count: 49) + "…"),
    ("xy" + String(repeating: "🜁", count: 50), "xy" + String(repeating: "🜁", count: 24) + "…"),
  ] {
    stranger.name = name
    let message = try refusal([input0(), input1(), stranger])
    #expect(message?.hasPrefix("input '\(kept)' is not one of the model's") == true)
  }
}

@Test func `an input that is unknown, missing or double is named`() throws {
  let takes = "'INPUT0', 'INPUT1', 'TEXT'"
  var stranger = text()
  stranger.name = "TXT"
  #expect(
    try refusal([input0(), input1(), stranger]) == "input 'TXT' is not one of the model's; it takes \(takes)")
  #expect(
    try refusal([input0(), input1(), text(), stranger])
      == "input 'TXT' is not one of the model's; it takes \(takes)")
  #expect(try refusal([text(), input0()]) == "input 'INPUT1' is missing; the model takes \(takes)")
  #expect(try refusal([]) == "input 'INPUT0' is missing; the model takes \(takes)")
  let twice = "is given twice; the model takes it once"
  #expect(try refusal([input0(), input1(), input1()]) == "input 'INPUT1' \(twice)")
  #expect(try refusal([input0(), input1(), text(), text()]) == "input 'TEXT' \(twice)")
  #expect(try refusal([text(), text()]) == "input 'TEXT' \(twice)")
}

/// All lists of up to four names out of three known and one unknown: only permutations of the three pass.
@Test func `of all short lists of names exactly the permutations pass`() throws {
  var stranger = text()
  stranger.name = "TXT"
  let values = [input0(), input1(), text(), stranger]
  var passed = 0
  for count in 0...4 {
    for code in 0..<(0..<count).reduce(1, { total, _ in total * 4 }) {
      let picks = (0..<count).map { place in (code >> (2 * place)) & 3 }
      if try refusal(picks.map { values[$0] }) == nil {
        passed += 1
        #expect(picks.sorted() == [0, 1, 2])
      }
    }
  }
  #expect(passed == 6)
}

@Test func `a datatype, rank, axis or size that does not fit is told with what would`() throws {
  #expect(
    try refusal([input0(datatype: .int32), input1(), text()])
      == "input 'INPUT0' has datatype INT32; the model takes FP32")
  #expect(
    try refusal([input0([2, 17], bytes: 136), input1(), text()])
      == "input 'INPUT0' has shape [2,17]; the model takes [-1,16]")
  #expect(
    try refusal([input0([32], bytes: 128), input1(), text()])
      == "input 'INPUT0' has shape [32]; the model takes [-1,16]")
  #expect(
    try refusal([input0([-2, 16]), input1(), text()])
      == "input 'INPUT0' has shape [-2,16]; the model takes [-1,16]")
  #expect(
    try refusal([input0(bytes: 127), input1(), text()])
      == "input 'INPUT0' holds 127 bytes; shape [2,16] of FP32 takes 128")
  #expect(
    try refusal([input0(), input1([2, 1 << 62, 2], bytes: 0), text()])
      == "input 'INPUT1' has shape [2,4611686018427387904,2]: more elements than 63 bits can count")
  #expect(
    try refusal([input0(), input1([2, 1 << 60, 2], bytes: 0), text()])
      == "input 'INPUT1' holds 0 bytes; shape [2,1152921504606846976,2] of INT64 takes more than 2^63")
}

@Test func `BYTES must hold exactly the elements of the shape`() throws {
  #expect(try refusal([input0(), input1(), text()]) == nil)
  #expect(
    try refusal([input0(), input1(), text([0, 0, 0, 0])])
      == "input 'TEXT' holds 4 bytes; they end before the 2 BYTES elements of shape [2,1] do")
  #expect(
    try refusal([input0(), input1(), text([0, 0, 0, 0, 2, 0, 0, 0, 65])])
      == "input 'TEXT' holds 9 bytes; they end before the 2 BYTES elements of shape [2,1] do")
  #expect(
    try refusal([input0(), input1(), text([0, 0, 0, 0, 255, 255, 255, 255, 65])])
      == "input 'TEXT' holds 9 bytes; they end before the 2 BYTES elements of shape [2,1] do")
  #expect(
    try refusal([input0(), input1(), text([0, 0, 0, 0, 0, 0, 0, 0, 65])])
      == "input 'TEXT' holds 9 bytes; the 2 BYTES elements of shape [2,1] take 8")
}

@Test func `rows must be one or more, as many as the model takes at most, and the same in all inputs`() throws {
  #expect(
    try refusal([input0([0, 16], bytes: 0), input1([0, 3, 2], bytes: 0), text([], rows: 0)])
      == "input 'INPUT0' has 0 rows; a request has at least 1")
  #expect(
    try refusal([input0([9, 16], bytes: 576), input1(), text()])
      == "input 'INPUT0' has 9 rows; the model takes at most 8")
  #expect(
    try refusal([input0(), input1([3, 2, 2], bytes: 96), text()])
      == "input 'INPUT1' has 3 rows; input 'INPUT0' has 2")
}

@Test func `without a batch axis axis 0 is like any other, and a request is one row`() throws {
  let signature = ModelSignature(
    inputs: [TensorMetadata(name: "x", datatype: .uint8, shape: [3])],
    outputs: [TensorMetadata(name: "y", datatype: .uint8, shape: [])], isBatchable: false)
  let validator = RequestValidator(signature: signature, maxBatchSize: 0)
  let request = try OwnedRequest(inputs: [Value(name: "x", datatype: .uint8, shape: [3], bytes: [1, 2, 3])])
  try validator.validate(request.pointer)
  #expect(request.pointer.pointee.rows == 1)
  #expect(
    try refusal([Value(name: "x", datatype: .uint8, shape: [2], bytes: [1, 2])], of: signature, max: 0)
      == "input 'x' has shape [2]; the model takes [3]")
}

@Test func `requested outputs get their index and their bit`() throws {
  let validator = RequestValidator(signature: signature, maxBatchSize: 8)
  let request = try OwnedRequest(
    inputs: [input0(), input1(), text()], requestedOutputs: [("FLAG", 0), ("SCORES", 3)])
  try validator.validate(request.pointer)
  #expect(request.pointer.pointee.wantedOutputs == 0b101)
  #expect(request.pointer.pointee.requestedOutputs.map(\.index) == [2, 0])
}

@Test func `a requested output that is unknown, double or cannot be classified is refused`() throws {
  let inputs = [input0(), input1(), text()]
  #expect(
    try refusal(inputs, outputs: [("SCORE", 0)])
      == "output 'SCORE' is not one of the model's; it gives 'SCORES', 'LABEL', 'FLAG'")
  #expect(
    try refusal(inputs, outputs: [("FLAG", 0), ("FLAG", 0)]) == "output 'FLAG' is requested twice; ask for it once")
  #expect(
    try refusal(inputs, outputs: [("LABEL", 2)])
      == "output 'LABEL' is BYTES, which cannot be classified; that takes a numeric datatype")
  #expect(try refusal(inputs, outputs: [("FLAG", 1)])?.contains("is BOOL") == true)
  #expect(try refusal(inputs, outputs: [("SCORES", -1)])?.contains("-1 classes") == true)
}

@Test func `an output past the 64th asks for all`() throws {
  let many = ModelSignature(
    inputs: [TensorMetadata(name: "x", datatype: .uint8, shape: [-1])],
    outputs: (0..<70).map { TensorMetadata(name: "y\($0)", datatype: .uint8, shape: [-1]) }, isBatchable: true)
  let validator = RequestValidator(signature: many, maxBatchSize: 8)
  let x = Value(name: "x", datatype: .uint8, shape: [1], bytes: [1])
  let request = try OwnedRequest(inputs: [x], requestedOutputs: [("y69", 0), ("y1", 0)])
  try validator.validate(request.pointer)
  #expect(request.pointer.pointee.wantedOutputs == .max)
  #expect(request.pointer.pointee.requestedOutputs.map(\.index) == [69, 1])
  #expect(
    try refusal([x], outputs: [("y69", 0), ("y69", 0)], of: many) == "output 'y69' is requested twice; ask for it once")
}

@Test func `shape keys tell non-batch shapes apart and rows not`() throws {
  let validator = RequestValidator(signature: signature, maxBatchSize: 8)
  func request(rows: Int64, length: Int64) throws -> OwnedRequest {
    let request = try OwnedRequest(inputs: [
      input0([rows, 16], bytes: Int(rows) * 64), input1([rows, length, 2], bytes: Int(rows * length) * 16),
      text(Array(repeating: 0, count: 4 * Int(rows)), rows: rows),
    ])
    try validator.validate(request.pointer)
    return request
  }
  let one = try request(rows: 1, length: 3)
  let two = try request(rows: 2, length: 3)
  let other = try request(rows: 1, length: 4)
  #expect(one.pointer.pointee.shapeKey == two.pointer.pointee.shapeKey)
  #expect(one.pointer.pointee.shapeKey != other.pointer.pointee.shapeKey)
  #expect(validator.haveEqualShapes(one.pointer, two.pointer))
  other.pointer.pointee.shapeKey = one.pointer.pointee.shapeKey
  #expect(!validator.haveEqualShapes(one.pointer, other.pointer))
}

@Test func `checking a valid request takes nothing from its arena`() throws {
  let validator = RequestValidator(signature: signature, maxBatchSize: 8)
  let request = try OwnedRequest(inputs: [text(), input0(), input1()], requestedOutputs: [("LABEL", 0)])
  let before = request.pointer.pointee.arena.pointee.usedBytes
  let rounds = getenv("BENCH_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 1000
  let start = Instant.now()
  for _ in 0..<rounds { try validator.validate(request.pointer) }
  print("validator: \(Instant.now().nanoseconds(since: start) / UInt64(rounds)) ns a request of three inputs")
  #expect(request.pointer.pointee.arena.pointee.usedBytes == before)
}
