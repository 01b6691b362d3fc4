import ApusClient
import Foundation
import LoadTesting
import Testing
import apus

private func model(_ inputs: TensorMetadata...) -> ModelMetadata {
  ModelMetadata(name: "m", versions: ["1"], platform: "p", inputs: inputs, outputs: [])
}

private let floats = TensorMetadata(name: "x", datatype: .fp32, shape: [-1, 2])

/// A folder that goes with the test.
private final class Folder {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ content: [UInt8]) throws -> String {
    try Data(content).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    return "\(path)/\(name)"
  }
}

/// A .npy file of version 1 to 3 as NumPy writes it.
private func npy(_ values: [Float], version: UInt8 = 1, shape: String? = nil) -> [UInt8] {
  let header = Array("{'descr': '<f4', 'fortran_order': False, 'shape': \(shape ?? "(1, \(values.count))"), }\n".utf8)
  let length = (0..<(version == 1 ? 2 : 4)).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
  let body = values.flatMap { value in withUnsafeBytes(of: value) { Array($0) } }
  return [0x93] + Array("NUMPY".utf8) + [version, 0] + length + header + body
}

/// A ZIP of one stored entry.
private func zip(_ name: String, _ content: [UInt8], method: UInt8 = 0, size: Int? = nil) -> [UInt8] {
  func number(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
  let sizes = number(content.count, 4) + number(size ?? content.count, 4)
  let local =
    [0x50, 0x4B, 3, 4, 20, 0, 0, 0, method, 0] + number(0, 8) + sizes + number(name.utf8.count, 2) + [0, 0]
    + Array(name.utf8)
  let central =
    [0x50, 0x4B, 1, 2, 20, 0, 20, 0, 0, 0, method, 0] + number(0, 8) + sizes + number(name.utf8.count, 2)
    + number(0, 16) + Array(name.utf8)
  let end =
    [0x50, 0x4B, 5, 6, 0, 0, 0, 0, 1, 0, 1, 0] + number(central.count, 4) + number(local.count + content.count, 4) + [0, 0]
  return local + content + central + end
}

@Test(arguments: [
  ("m", LoadModel(name: "m")), ("m=3", LoadModel(name: "m", weight: 3)), ("m@2", LoadModel(name: "m", priority: 2)),
  ("a=b=0.5@1", LoadModel(name: "a=b", weight: 0.5, priority: 1)),
])
func `a model is named with its weight and priority`(argument: String, expected: LoadModel) throws {
  #expect(try LoadModel(argument: argument) == expected)
}

@Test(arguments: ["m=", "m=0", "m=-1", "m=x", "m@x", "m@-1", "=1", "@1", "m=inf"])
func `a weight or a priority that is none is refused`(argument: String) {
  #expect(throws: UsageError.self) { try LoadModel(argument: argument) }
}

@Test func `shapes are mixed by their percentages`() throws {
  let mixes = try ["x:1,2:70%", "x:4,2:20%", "x:8,2"].map { argument in try ShapeMix(argument: argument) }
  #expect(try ShapeMix.weights(mixes).map { ($0 * 1000).rounded() } == [700, 200, 100])
  #expect(mixes[1].shapes == ["x": [4, 2]])
  #expect(try ShapeMix(argument: "a:b:1,2+c:3").shapes == ["a:b": [1, 2], "c": [3]])
}

@Test(arguments: ["x", "x:a", ":1", "x:1:0%", "x:1:101%", "x:1:y%", "x:1+", "x:-1"])
func `what is no shape is refused`(argument: String) {
  #expect(throws: UsageError.self) { try ShapeMix(argument: argument) }
}

@Test(arguments: [["x:1:60%", "x:2:60%"], ["x:1:60%", "x:2:30%"], ["x:1:100%", "x:2"]])
func `percentages that are not 100 together are refused`(arguments: [String]) throws {
  let mixes = try arguments.map { argument in try ShapeMix(argument: argument) }
  #expect(throws: UsageError.self) { try ShapeMix.weights(mixes) }
}

@Test func `random inputs differ, zeros are one, and open axes have one element`() throws {
  var inputs = LoadInputs()
  inputs.count = 5
  let random = try inputs.variants(for: model(floats))
  #expect(random.count == 5 && Set(random).count == 5)
  #expect(random.allSatisfy { $0.tensors[0].shape == [1, 2] && abs($0.weight - 0.2) < 1e-9 })
  inputs.values = .zeros
  #expect(try inputs.variants(for: model(floats)).map { $0.tensors[0].bytes } == [Array(repeating: 0, count: 8)])
}

@Test func `a shape mix makes requests of each shape in proportion`() throws {
  var inputs = LoadInputs()
  inputs.count = 4
  inputs.mixes = [try ShapeMix(argument: "x:1,2:75%"), try ShapeMix(argument: "x:8,2:25%")]
  let variants = try inputs.variants(for: model(floats))
  let large = variants.filter { $0.tensors[0].shape == [8, 2] }
  #expect(variants.count == 8 && large.count == 4)
  #expect(abs(large.map(\.weight).reduce(0, +) - 0.25) < 1e-9)
  inputs.mixes = [try ShapeMix(argument: "x:1,3")]
  #expect(throws: UsageError("--shape: input x has shape [-1, 2]; [1, 3] does not suit it")) {
    try inputs.variants(for: model(floats))
  }
  inputs.mixes = [try ShapeMix(argument: "y:1,3")]
  #expect(throws: UsageError("--shape: model m has no input 'y'; it has x")) { try inputs.variants(for: model(floats)) }
  inputs.mixes = [try ShapeMix(argument: "x:9223372036854775807,2")]
  #expect(throws: UsageError.self) { try inputs.variants(for: model(floats)) }
}

@Test func `a given input is sent as it is, beside others that are made up`() throws {
  var inputs = LoadInputs()
  inputs.fixed = ["x=[[1,2]]"]
  #expect(try inputs.variants(for: model(floats)).count == 1)
  let other = TensorMetadata(name: "y", datatype: .int32, shape: [1])
  let variants = try inputs.variants(for: model(floats, other))
  #expect(variants.count == 16 && Set(variants.map { $0.tensors[0] }).count == 1)
}

@Test func `a file of requests gives one or several`() throws {
  let folder = try Folder()
  let request = #"{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}"#
  var inputs = LoadInputs()
  inputs.requests = try folder.write("r.json", Array("[\(request), \(request)]".utf8))
  #expect(try inputs.variants(for: model(floats)).count == 2)
  inputs.requests = try folder.write("one.json", Array(request.utf8))
  #expect(try inputs.variants(for: model(floats)).count == 1)
  inputs.requests = try folder.write("none.json", Array("[]".utf8))
  #expect(throws: UsageError.self) { try inputs.variants(for: model(floats)) }
}

@Test func `a folder gives a request for each file`() throws {
  let folder = try Folder()
  _ = try folder.write("b.txt", Array("two".utf8))
  _ = try folder.write("a.txt", Array("one!".utf8))
  var inputs = LoadInputs()
  inputs.folder = "t=\(folder.path)"
  let text = TensorMetadata(name: "t", datatype: .bytes, shape: [-1, 1])
  let variants = try inputs.variants(for: model(text))
  #expect(variants.map { $0.tensors[0].bytes } == [[4, 0, 0, 0] + Array("one!".utf8), [3, 0, 0, 0] + Array("two".utf8)])
  #expect(variants[0].tensors[0].shape == [1, 1])
  inputs.folder = "t=/nowhere"
  #expect(throws: UsageError("can't read the folder /nowhere")) { try inputs.variants(for: model(text)) }
}

@Test(arguments: [UInt8(1), 2, 3]) func `arrays of every version of .npy are read`(version: UInt8) throws {
  let file = try NumPyFile(npy([1, 2, 3], version: version), name: "a.npy")
  #expect(file.shape == [1, 3] && file.datatype == .fp32 && file.bytes.count == 12)
}

@Test func `an archive's arrays are the inputs of their names`() throws {
  let folder = try Folder()
  var inputs = LoadInputs()
  inputs.archives = [try folder.write("a.npz", zip("x.npy", npy([1, 2])))]
  let variants = try inputs.variants(for: model(floats))
  #expect(variants.count == 1 && variants[0].tensors[0].shape == [1, 2])
  #expect(throws: UsageError.self) {
    try inputs.variants(for: model(TensorMetadata(name: "z", datatype: .fp32, shape: [1, 2])))
  }
}

/// Every prefix, and every file with one byte changed: an error or an array, and never a crash.
@Test func `no damaged archive or array does harm`() {
  let whole = zip("x.npy", npy([1, 2]))
  for count in 0..<whole.count {
    #expect(throws: UsageError.self) { try NumPyArchive(Array(whole[..<count]), name: "a") }
  }
  for index in whole.indices {
    for value in [0, 0x7F, 0xFF] as [UInt8] {
      var damaged = whole
      damaged[index] = value
      _ = try? NumPyArchive(damaged, name: "a")
    }
  }
  let array = npy([1, 2])
  for count in 0..<array.count {
    #expect(throws: UsageError.self) { try NumPyFile(Array(array[..<count]), name: "a") }
  }
}

@Test func `an archive that lies about sizes or methods is refused`() {
  #expect(throws: UsageError.self) { try NumPyArchive(zip("x.npy", [1, 2, 3], method: 8, size: 100), name: "a") }
  #expect(throws: UsageError.self) { try NumPyArchive(zip("x.npy", npy([1]), method: 12), name: "a") }
  #expect(throws: UsageError.self) { try NumPyArchive(zip("x.npy", npy([1]), size: 1 << 31), name: "a") }
  #expect(throws: UsageError("a has no arrays")) { try NumPyArchive(zip("x.txt", [1]), name: "a") }
}
