import Inference
import Rollouts
import Testing

/// A tensor that owns its memory for as long as the test needs.
private final class OwnedTensor {
  let tensor: Tensor

  init(_ name: String, _ datatype: Datatype, _ shape: [Int64], _ bytes: [UInt8]) {
    func copy<Element>(_ elements: [Element]) -> UnsafeMutableBufferPointer<Element> {
      let buffer = UnsafeMutableBufferPointer<Element>.allocate(capacity: elements.count)
      _ = buffer.initialize(from: elements)
      return buffer
    }
    tensor = Tensor(
      name: UnsafeRawBufferPointer(copy(Array(name.utf8))), datatype: datatype,
      shape: UnsafeBufferPointer(copy(shape)), bytes: UnsafeRawBufferPointer(copy(bytes)))
  }

  convenience init<Value: BitwiseCopyable>(
    _ name: String, _ datatype: Datatype, _ shape: [Int64], values: [Value]
  ) {
    self.init(name, datatype, shape, values.withUnsafeBytes { Array($0) })
  }

  convenience init(_ name: String, strings: [String]) {
    let bytes = strings.flatMap { text in
      withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian) { Array($0) } + Array(text.utf8)
    }
    self.init(name, .bytes, [Int64(strings.count)], bytes)
  }

  deinit {
    tensor.name.deallocate()
    tensor.shape.deallocate()
    tensor.bytes.deallocate()
  }
}

extension OutputComparison {
  @discardableResult
  fileprivate mutating func compare(_ live: [OwnedTensor], _ shadow: [OwnedTensor], id: String = "r") -> Bool {
    live.map(\.tensor).withUnsafeBufferPointer { live in
      shadow.map(\.tensor).withUnsafeBufferPointer { compare(live: live, shadow: $0, requestID: id) }
    }
  }
}

private func bf16(_ value: Float) -> UInt16 { UInt16(value.bitPattern >> 16) }

/// Live 1, 2, 4, 8 and shadow 1, 2, 5, 5: the differences are 0, 0, 1, -3.
private func quartet(_ datatype: Datatype) -> (live: OwnedTensor, shadow: OwnedTensor) {
  func make<Value: BitwiseCopyable>(_ convert: (Int) -> Value) -> (live: OwnedTensor, shadow: OwnedTensor) {
    (
      OwnedTensor("y", datatype, [4], values: [1, 2, 4, 8].map(convert)),
      OwnedTensor("y", datatype, [4], values: [1, 2, 5, 5].map(convert))
    )
  }
  return switch datatype {
  case .fp16: make { Float16($0) }
  case .fp32: make { Float($0) }
  case .fp64: make { Double($0) }
  case .bf16: make { bf16(Float($0)) }
  case .int8: make { Int8($0) }
  case .int16: make { Int16($0) }
  case .int32: make { Int32($0) }
  case .int64: make { Int64($0) }
  case .uint8, .bool: make { UInt8($0) }
  case .uint16: make { UInt16($0) }
  case .uint32: make { UInt32($0) }
  case .uint64: make { UInt64($0) }
  case .bytes: (OwnedTensor("y", strings: ["1", "2", "4", "8"]), OwnedTensor("y", strings: ["1", "2", "5", "5"]))
  }
}

@Test(arguments: Datatype.allCases) func `differences are exact in every datatype`(datatype: Datatype) {
  let (live, shadow) = quartet(datatype)
  var comparison = OutputComparison()
  #expect(comparison.compare([live], [shadow]) == false)
  let output = comparison.report.outputs[0]
  #expect(output.differences.elements == 4)
  #expect(output.differences.beyondTolerance == 2)
  #expect(output.differences.shareBeyondTolerance == 0.5)
  let isFloat = [.fp16, .fp32, .fp64, .bf16].contains(datatype)
  #expect(output.labelRule == (isFloat ? LabelRule.none : .equality))
  #expect(output.labels == (isFloat ? 0 : 4))
  #expect(output.mismatchedLabels == (isFloat ? 0 : 2))
  let isNumeric = datatype != .bytes
  #expect(output.differences.maxAbsolute == (isNumeric ? 3 : 0))
  #expect(output.differences.meanAbsolute == (isNumeric ? 1 : 0))
  #expect(output.differences.meanDifference == (isNumeric ? -0.5 : 0))
  #expect(abs(output.differences.rootMeanSquare - (isNumeric ? 2.5.squareRoot() : 0)) < 1e-15)
  #expect(comparison.compare([live], [live]) == true)
  #expect(comparison.report.comparedRequests == 2)
  #expect(comparison.report.mismatchedRequests == 1)
}

@Test func `the greatest differences of 64-bit integers do not wrap around`() {
  var comparison = OutputComparison()
  comparison.compare(
    [OwnedTensor("a", .int64, [2], values: [Int64.min, 0]), OwnedTensor("b", .uint64, [1], values: [UInt64.max])],
    [OwnedTensor("a", .int64, [2], values: [Int64.max, -1]), OwnedTensor("b", .uint64, [1], values: [UInt64(0)])])
  #expect(comparison.report.outputs[0].differences.maxAbsolute == 0x1p64)
  #expect(comparison.report.outputs[1].differences.meanDifference == -0x1p64)
}

@Test func `NaN equals NaN, and infinities their like; others are beyond any tolerance`() {
  let live: [Float] = [.nan, .nan, 1, .infinity, .infinity, -.infinity, 2]
  let shadow: [Float] = [.nan, 1, .nan, .infinity, -.infinity, 7, 2]
  var comparison = OutputComparison(tolerance: Tolerance(absolute: 1e30, relative: 1))
  #expect(
    comparison.compare([OwnedTensor("y", .fp32, [7], values: live)], [OwnedTensor("y", .fp32, [7], values: shadow)]) == false)
  let differences = comparison.report.outputs[0].differences
  #expect(differences.nanMismatches == 2)
  #expect(differences.infinityMismatches == 2)
  #expect(differences.beyondTolerance == 4)
  #expect(differences.elements == 7)
  #expect(differences.maxAbsolute == 0)
}

@Test func `the tolerance is absolute plus relative to the live element`() {
  var comparison = OutputComparison(tolerance: Tolerance(absolute: 0.5, relative: 0.1))
  let live: [Double] = [0, 0, 10, 10, -10]
  let shadow: [Double] = [0.5, 0.51, 11.5, 11.6, -11.4]
  comparison.compare([OwnedTensor("y", .fp64, [5], values: live)], [OwnedTensor("y", .fp64, [5], values: shadow)])
  #expect(comparison.report.outputs[0].differences.beyondTolerance == 2)
}

@Test func `probabilities have a label in each row, and small shifts do not change it`() {
  let live: [Float] = [0.1, 0.8, 0.1, 0.4, 0.35, 0.25]
  let shifted: [Float] = [0.2, 0.7, 0.1, 0.5, 0.25, 0.25]
  let flipped: [Float] = [0.2, 0.7, 0.1, 0.3, 0.45, 0.25]
  var comparison = OutputComparison()
  let tensor = OwnedTensor("y", .fp32, [2, 3], values: live)
  #expect(comparison.compare([tensor], [OwnedTensor("y", .fp32, [2, 3], values: shifted)], id: "shifted") == true)
  #expect(comparison.compare([tensor], [OwnedTensor("y", .fp32, [2, 3], values: flipped)], id: "flipped") == false)
  let output = comparison.report.outputs[0]
  #expect(output.labelRule == .argmax)
  #expect(output.labels == 4)
  #expect(output.mismatchedLabels == 1)
  #expect(output.labelMismatch == 0.25)
  #expect(output.worst.map(\.requestID) == ["flipped", "shifted"])
  #expect(output.worst[0].text == "1 of 2 labels differ")
  #expect(output.unequalElements == 8)
}

@Test func `a report counts answers by what differs: labels, numbers, structure`() {
  var comparison = OutputComparison()
  func answer(_ scores: [Float], _ size: Float, _ count: Int32) -> [OwnedTensor] {
    [
      OwnedTensor("scores", .fp32, [1, 2], values: scores), OwnedTensor("size", .fp32, [1], values: [size]),
      OwnedTensor("count", .int32, [1], values: [count]),
    ]
  }
  let live = answer([0.25, 0.75], 1, 7)
  func counts(_ shadow: [OwnedTensor]) -> [UInt64] {
    var one = comparison
    one.compare(live, shadow)
    let report = one.report
    return [
      report.requestsWithOtherLabels, report.requestsWithOtherNumbers, report.requestsWithOtherStructure, report.mismatchedRequests,
    ]
  }
  #expect(counts(live) == [0, 0, 0, 0])
  #expect(counts(answer([0.5, 0.75], 1, 7)) == [0, 1, 0, 0], "the greatest score is where it was")
  #expect(counts(answer([0.75, 0.25], 1, 7)) == [1, 1, 0, 1])
  #expect(counts(answer([0.25, 0.75], 1.00001, 7)) == [0, 1, 0, 0], "it is within the tolerance")
  #expect(counts(answer([0.25, 0.75], 2, 7)) == [0, 1, 0, 1], "without a label the tolerance counts")
  #expect(counts(answer([0.25, 0.75], 1, 8)) == [1, 0, 0, 1], "an integer is a label itself")
  #expect(counts(Array(live.dropLast())) == [0, 0, 1, 1])
  comparison.compare(live, answer([0.5, 0.75], 1, 7))
  comparison.compare(live, answer([0.5, 0.75], 1, 8))
  #expect(counts(live) == [1, 2, 0, 1])
}

@Test(arguments: [
  ("scores", [2, 2], LabelRule.argmax), ("Logits", [2, 2], .argmax), ("embedding", [2, 2], .none),
  ("scores", [4], .none), ("scores", [1, 2, 2], .none), ("scores", [4, 1], .none),
]) func `an output holds scores if its name or its values say so`(name: String, shape: [Int64], rule: LabelRule) {
  var comparison = OutputComparison()
  let tensor = OwnedTensor(name, .fp32, shape, values: [Float](arrayLiteral: 3, -1, 2, 2))
  comparison.compare([tensor], [tensor])
  #expect(comparison.report.outputs[0].labelRule == rule)
}

@Test func `a stated rule goes before the guess`() {
  var comparison = OutputComparison(labelRules: ["boxes": .argmax, "ids": .none])
  let boxes = OwnedTensor("boxes", .fp16, [1, 1, 2], values: [Float16](arrayLiteral: 1, 2))
  let turned = OwnedTensor("boxes", .fp16, [1, 1, 2], values: [Float16](arrayLiteral: 2, 1))
  let ids = OwnedTensor("ids", .int32, [1], values: [Int32(4)])
  #expect(comparison.compare([boxes, ids], [turned, ids]) == false)
  #expect(comparison.report.outputs[0].mismatchedLabels == 1)
  #expect(comparison.report.outputs[1].labels == 0)
}

@Test func `a row of NaN has a label of its own, and ties go to the first`() {
  var comparison = OutputComparison(labelRules: ["y": .argmax])
  func row(_ values: [Float]) -> OwnedTensor { OwnedTensor("y", .fp32, [1, 3], values: values) }
  #expect(comparison.compare([row([.nan, .nan, .nan])], [row([.nan, .nan, .nan])]) == true)
  #expect(comparison.compare([row([.nan, .nan, .nan])], [row([-.infinity, .nan, .nan])]) == false)
  #expect(comparison.compare([row([5, 5, .nan])], [row([5, 4, 5])]) == true)
}

@Test func `structure that differs is counted by kind and never read as contents`() {
  let fp32 = OwnedTensor("y", .fp32, [2], values: [Float](arrayLiteral: 1, 2))
  let fp64 = OwnedTensor("y", .fp64, [2], values: [1.0, 2.0])
  let long = OwnedTensor("y", .fp32, [3], values: [Float](arrayLiteral: 1, 2, 3))
  let short = OwnedTensor("y", .fp32, [2], [0, 0, 0])
  var comparison = OutputComparison()
  for shadow in [[fp64], [long], [short], []] { #expect(comparison.compare([fp32], shadow) == false) }
  #expect(comparison.compare([], [fp32]) == false)
  let output = comparison.report.outputs[0]
  #expect(output.datatypeDifferences == 1)
  #expect(output.shapeDifferences == 1)
  #expect(output.unreadable == 1)
  #expect(output.missingInShadow == 1)
  #expect(output.missingInLive == 1)
  #expect(output.differences.elements == 0)
  #expect(output.worst.map(\.text).contains("shape [2] against [3]"))
  #expect(output.worst.map(\.text).contains("datatype FP32 against FP64"))
  #expect(comparison.report.mismatchedRequests == 5)
}

@Test func `strings that end before their length are unreadable`() {
  let good = OwnedTensor("y", strings: ["cat"])
  for bytes: [UInt8] in [[], [3, 0, 0], [4, 0, 0, 0, 99], [255, 255, 255, 255, 1]] {
    var comparison = OutputComparison()
    #expect(comparison.compare([good], [OwnedTensor("y", .bytes, [1], bytes)]) == false)
    #expect(comparison.report.outputs[0].unreadable == 1)
  }
}

@Test func `memory is bounded: the worst few examples, a number of outputs, short ids`() {
  var comparison = OutputComparison()
  for value in 1...1000 {
    let shadow = Float((value * 389) % 1000)
    comparison.compare(
      [OwnedTensor("y", .fp32, [1], values: [Float(0)])], [OwnedTensor("y", .fp32, [1], values: [shadow])],
      id: "\(Int(shadow))" + String(repeating: " ", count: 500))
  }
  let worst = comparison.report.outputs[0].worst
  #expect(worst.map(\.amount) == [999, 998, 997, 996, 995])
  #expect(worst[0].requestID.utf8.count == OutputComparison.maxRequestIDBytes)

  var many = OutputComparison()
  let outputs = (0..<100).map { OwnedTensor("y\($0)", .int8, [1], values: [Int8(1)]) }
  #expect(many.compare(outputs, outputs) == true)
  #expect(many.report.outputs.count == OutputComparison.maxOutputs)
  #expect(many.report.untrackedOutputs == 36)
}

/// The running figures over many small tensors against sums worked out the plain way.
@Test func `running figures are those of all elements at once`() {
  var random = SeededGenerator(state: 11)
  var comparison = OutputComparison()
  var differences: [Double] = []
  for _ in 0..<200 {
    let count = Int.random(in: 0...20, using: &random)
    let live = (0..<count).map { _ in Double.random(in: -5...5, using: &random) }
    let shadow = live.map { $0 + 1e6 + Double.random(in: -1...1, using: &random) }
    differences += zip(live, shadow).map { $1 - $0 }
    comparison.compare(
      [OwnedTensor("y", .fp64, [Int64(count)], values: live)],
      [OwnedTensor("y", .fp64, [Int64(count)], values: shadow)])
  }
  let found = comparison.report.outputs[0].differences
  let count = Double(differences.count)
  let mean = differences.reduce(0, +) / count
  let square = (differences.reduce(0) { $0 + $1 * $1 } / count).squareRoot()
  #expect(found.elements == UInt64(differences.count))
  #expect(abs(found.meanDifference - mean) < 1e-6)
  #expect(abs(found.meanAbsolute - mean) < 1e-6)
  #expect(abs(found.rootMeanSquare - square) < 1e-6)
  #expect(found.maxAbsolute == differences.max())
}

@Test func `an unanswered copy is counted and not compared`() {
  var comparison = OutputComparison()
  comparison.shadowFailed()
  #expect(comparison.report.shadowFailures == 1)
  #expect(comparison.report.comparedRequests == 0)
}
