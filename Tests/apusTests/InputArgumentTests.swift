import ApusClient
import Foundation
import Testing
import apus

@Suite struct InputArgumentTests {
  private let model = ModelMetadata(
    name: "m", versions: ["1"], platform: "",
    inputs: [
      TensorMetadata(name: "x", datatype: .fp32, shape: [-1, 2]),
      TensorMetadata(name: "ids:0", datatype: .int64, shape: [-1, -1]),
    ], outputs: [])

  private func file(_ suffix: String, _ bytes: [UInt8]) throws -> String {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString + suffix).path
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }

  @Test func `a name may hold colons, and a shape may follow it`() throws {
    #expect(try InputArgument.tensor("ids:0=[[1]]", model: model).shape == [1, 1])
    #expect(try InputArgument.tensor("ids:0:3,1=[1, 2, 3]", model: model).shape == [3, 1])
    #expect(try InputArgument.tensor("x:1,2=[1, 2]", model: model).shape == [1, 2])
  }

  @Test func `an unknown input is answered with those that there are`() {
    let error = #expect(throws: UsageError.self) { try InputArgument.tensor("y=1", model: model) }
    #expect(error?.message == "model m has no input 'y'; it has x (FP32 [-1, 2]), ids:0 (INT64 [-1, -1])")
    let shapeless = #expect(throws: UsageError.self) { try InputArgument.tensor("x", model: model) }
    #expect(shapeless?.message == "--input 'x': expected NAME=VALUE or NAME:SHAPE=VALUE")
  }

  @Test func `raw bytes take the shape that the input leaves them`() throws {
    let path = try file(".bin", Array(repeating: 0, count: 24))
    #expect(try InputArgument.tensor("x=@\(path)", model: model).shape == [3, 2])
    let error = #expect(throws: UsageError.self) { try InputArgument.tensor("ids:0=@\(path)", model: model) }
    #expect(error?.message.hasSuffix("give it as ids:0:SHAPE=@\(path)") == true)
    let wrong = #expect(throws: UsageError.self) { try InputArgument.tensor("x:2,2=@\(path)", model: model) }
    #expect(wrong?.message == "\(path) has 24 bytes; shape [2, 2] of FP32 takes 16")
  }

  @Test func `a shape that can't be counted is refused by name`() throws {
    let path = try file(".bin", [0, 0])
    for argument in ["x:9999999999,9999999999=[1]", "x:9999999999,9999999999=@\(path)"] {
      let error = #expect(throws: UsageError.self) { try InputArgument.tensor(argument, model: model) }
      #expect(error?.message.hasPrefix("shape [9999999999, 9999999999] is too large") == true)
    }
    // Its elements can be counted; their bytes can't.
    let error = #expect(throws: UsageError.self) {
      try InputArgument.tensor("x:4611686018427387904,1=@\(path)", model: model)
    }
    #expect(error?.message.hasPrefix("shape [4611686018427387904, 1] is too large") == true)
    #expect(TensorShape.fit(4, into: [-1, 9_999_999_999, 9_999_999_999]) == nil)
    #expect(try TensorShape.elementCount([9_999_999_999, 9_999_999_999, 0]) == 0)
  }

  @Test func `a NumPy file brings its shape, and must have the input's datatype`() throws {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }"
    let path = try file(".npy", npy(header, [0, 0, 128, 63, 0, 0, 0, 64]))
    let tensor = try InputArgument.tensor("x=@\(path)", model: model)
    #expect(tensor.shape == [1, 2])
    #expect(tensor.elements(as: Float.self) == [1, 2])
    let error = #expect(throws: UsageError.self) { try InputArgument.tensor("ids:0=@\(path)", model: model) }
    #expect(error?.message == "\(path) holds FP32; input ids:0 is INT64")
  }
}

@Suite struct NumPyFileTests {
  @Test func `versions 1 and 2 differ in the width of a length only`() throws {
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n"
    for version in [1, 2] as [UInt8] {
      let file = try NumPyFile(npy(header, [7, 8, 9], version: version), name: "a.npy")
      #expect(file.datatype == .uint8)
      #expect(file.shape == [3])
      #expect(file.bytes == [7, 8, 9])
    }
  }

  @Test func `a scalar has no axes`() throws {
    let file = try NumPyFile(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (), }", [1]), name: "a.npy")
    #expect(file.shape == [])
  }

  @Test func `what can't be sent as it is, is refused in words`() {
    let cases: [([UInt8], String)] = [
      (Array("PK".utf8), "a.npy is not a .npy file"),
      (npy("{'descr': '>f4', 'fortran_order': False, 'shape': (), }", []), "a.npy holds '>f4'; expected one of"),
      (npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", []), "a.npy is in Fortran order"),
      (
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", [0]),
        "a.npy: shape [2] of FP32 takes 8 bytes, found 1"
      ),
      (
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999), }", []),
        "shape [9999999999, 9999999999] is too large"
      ),
      (npy("{'descr': '<f4'}", []), "a.npy: the header lacks"),
      (Array(npy("{'descr': '<f4'}", []).dropLast(3)), "a.npy is cut short in its header"),
    ]
    for (bytes, message) in cases {
      let error = #expect(throws: UsageError.self) { try NumPyFile(bytes, name: "a.npy") }
      #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "no error")")
    }
  }
}

private func npy(_ header: String, _ bytes: [UInt8], version: UInt8 = 1) -> [UInt8] {
  let count = header.utf8.count
  let length: [UInt8] = version == 1 ? [UInt8(count), 0] : [UInt8(count), 0, 0, 0]
  return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + Array(header.utf8) + bytes
}
