import Inference
import LoadTesting
import Testing
import Wire

private func answer(_ values: [Float], shape: [Int64]? = nil, name: String = "y", id: String = "") -> [UInt8] {
  var response = ModelInferResponse(modelName: "m")
  response.id = id
  response.outputs = [
    InferTensor(
      name: name, datatype: .fp32, shape: shape ?? [Int64(values.count)],
      bytes: values.flatMap { value in withUnsafeBytes(of: value) { Array($0) } })
  ]
  return response.encoded()
}

private func difference(_ found: [UInt8], from expected: [UInt8], tolerance: Double = 0) throws -> String? {
  let reference = try ReferenceAnswer(expected, isInference: true, tolerance: tolerance)
  return found.withUnsafeBytes { reference.difference(from: $0) }
}

@Test func `an answer with the same outputs is right, whatever its id`() throws {
  #expect(try difference(answer([1, 2]), from: answer([1, 2])) == nil)
  #expect(try difference(answer([1, 2], id: "7"), from: answer([1, 2])) == nil)
}

@Test func `a wrong element, shape or output is named`() throws {
  #expect(try difference(answer([1, 3]), from: answer([1, 2])) == "output y, element 1: 3.0; expected 2.0")
  #expect(try difference(answer([1, 2], shape: [2, 1]), from: answer([1, 2])) == "output y has shape [2, 1]; expected [2]")
  #expect(try difference(answer([1, 2], name: "z"), from: answer([1, 2])) == "output z in the place of y")
  #expect(try difference([0xFF, 1], from: answer([1]))?.hasPrefix("an answer that can't be read") == true)
  #expect(try difference([], from: answer([1])) == "0 outputs; expected 1")
}

@Test func `the tolerance lets floats differ by so much, and no more`() throws {
  #expect(try difference(answer([1, 2000.1]), from: answer([1, 2000]), tolerance: 1e-4) == nil)
  #expect(try difference(answer([1, 2001]), from: answer([1, 2000]), tolerance: 1e-4) != nil)
  #expect(try difference(answer([.nan]), from: answer([.nan])) == nil)
  #expect(try difference(answer([.nan]), from: answer([1]), tolerance: 1) != nil)
}

@Test func `answers of other methods are compared byte by byte`() throws {
  let reference = try ReferenceAnswer([1, 2, 3], isInference: false)
  #expect([UInt8]([1, 2, 3]).withUnsafeBytes { reference.difference(from: $0) } == nil)
  #expect([UInt8]([1, 2, 4]).withUnsafeBytes { reference.difference(from: $0) } != nil)
}

@Test func `a first answer that can't be read is an error`() {
  #expect(throws: LoadError.self) { try ReferenceAnswer([0xFF, 1], isInference: true) }
}
