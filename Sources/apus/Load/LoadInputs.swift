package import ApusClient
internal import Arrivals
internal import Foundation
internal import Inference
package import LoadTesting

/// What the requests of a load test carry: tensors made up for a model's metadata, or read from files.
package struct LoadInputs: Sendable {
  package var values = GeneratedTensor.Values.random
  /// Different requests that are made up; more keep a server from answering out of a cache.
  package var count = 16
  package var seed: UInt64 = 1
  /// As `apus infer --input`.
  package var fixed: [String] = []
  /// .npz files, whose arrays are inputs by name: a request each.
  package var archives: [String] = []
  /// `NAME=FOLDER`: a request for each file.
  package var folder: String?
  package var mixes: [ShapeMix] = []
  /// Whole requests in the protocol's REST form: one or a list.
  package var requests: String?

  /// A request's tensors, and its share.
  package struct Variant: Hashable, Sendable {
    package var weight: Double
    package var tensors: [LoadTensor]
  }

  /// All messages of a test together take at most so much memory.
  package static let mostBytes = 1 << 30

  package init() {}

  /// - Throws: `UsageError` for what does not suit the model.
  package func variants(for model: ModelMetadata) throws(UsageError) -> [Variant] {
    if let requests { return try LoadInputs.requests(in: requests, model) }
    if !archives.isEmpty {
      var variants: [Variant] = []
      for path in archives { variants.append(Variant(weight: 1, tensors: try LoadInputs.archive(path, model))) }
      return variants
    }
    var given: [String: LoadTensor] = [:]
    for argument in fixed {
      let tensor = LoadTensor(try InputArgument.tensor(argument, model: model))
      given[tensor.name] = tensor
    }
    let files = try folder.map { argument throws(UsageError) in try LoadInputs.files(argument, model) }
    let weights = mixes.isEmpty ? [1.0] : try ShapeMix.weights(mixes)
    var random = SeededRandom(seed: seed)
    var variants: [Variant] = []
    var bytes = 0
    for (index, weight) in weights.enumerated() {
      let shapes = mixes.isEmpty ? [:] : mixes[index].shapes
      if let name = shapes.keys.sorted().first(where: { name in !model.inputs.contains { $0.name == name } }) {
        throw UsageError("--shape: \(LoadInputs.unknown(name, model))")
      }
      let open = model.inputs.contains { given[$0.name] == nil && $0.name != files?.name }
      let copies = files?.tensors.count ?? (open && values == .random ? count : 1)
      for copy in 0..<copies {
        var tensors: [LoadTensor] = []
        for input in model.inputs {
          if let files, files.name == input.name {
            tensors.append(files.tensors[copy])
          } else if let tensor = given[input.name] {
            tensors.append(tensor)
          } else {
            tensors.append(try generate(input, shapes[input.name], &random))
          }
          bytes += tensors[tensors.count - 1].bytes.count
          guard bytes <= LoadInputs.mostBytes else {
            throw UsageError("the requests take more than \(LoadInputs.mostBytes >> 30) GiB; make fewer (--inputs) or smaller ones")
          }
        }
        variants.append(Variant(weight: weight / Double(copies), tensors: tensors))
      }
    }
    return variants
  }

  /// Elements for an input. Open axes that nothing is said of have one element.
  private func generate(
    _ input: ApusClient.TensorMetadata, _ stated: [Int64]?, _ random: inout SeededRandom
  ) throws(UsageError) -> LoadTensor {
    let shape = stated ?? input.shape.map { $0 < 0 ? 1 : $0 }
    let suits = shape.count == input.shape.count && zip(shape, input.shape).allSatisfy { $1 < 0 || $0 == $1 }
    guard suits else {
      throw UsageError(
        "--shape: input \(input.name) has shape \(TensorShape.describe(input.shape)); "
          + "\(TensorShape.describe(shape)) does not suit it")
    }
    guard try TensorShape.byteCount(shape, of: input.datatype) <= LoadInputs.mostBytes else {
      throw UsageError("--shape: input \(input.name) would take more than \(LoadInputs.mostBytes >> 30) GiB")
    }
    return GeneratedTensor.make(
      name: input.name, datatype: Inference.Datatype(input.datatype), shape: shape, values, &random)
  }

  // MARK: Files

  private static func requests(in path: String, _ model: ModelMetadata) throws(UsageError) -> [Variant] {
    let json = try JSONValue(parsing: String(decoding: try content(path), as: UTF8.self), from: path)
    var list = [json]
    if case .array(let elements) = json { list = elements }
    guard !list.isEmpty else { throw UsageError("\(path) has no requests") }
    var variants: [Variant] = []
    for (index, element) in list.enumerated() {
      let source = list.count == 1 ? path : "\(path)[\(index)]"
      let request = try InferRequest(json: element, model: model.name, from: source)
      variants.append(Variant(weight: 1, tensors: request.inputs.map(LoadTensor.init)))
    }
    return variants
  }

  private static func archive(_ path: String, _ model: ModelMetadata) throws(UsageError) -> [LoadTensor] {
    let archive = try NumPyArchive(Array(try content(path)), name: path)
    var tensors: [LoadTensor] = []
    for input in model.inputs {
      guard let array = archive.arrays.first(where: { $0.name == input.name })?.array else {
        let names = archive.arrays.map(\.name).joined(separator: ", ")
        throw UsageError("\(path) has no array '\(input.name)'; it has \(names)")
      }
      guard array.datatype == input.datatype else {
        throw UsageError(
          "\(path), \(input.name) holds \(array.datatype.rawValue); the input is \(input.datatype.rawValue)")
      }
      tensors.append(
        LoadTensor(
          name: input.name, datatype: Inference.Datatype(array.datatype), shape: array.shape, bytes: array.bytes))
    }
    return tensors
  }

  /// An input's tensors, one for each file of a folder: of BYTES the whole file is the one element.
  private static func files(
    _ argument: String, _ model: ModelMetadata
  ) throws(UsageError) -> (name: String, tensors: [LoadTensor]) {
    guard let equals = argument.firstIndex(of: "=") else {
      throw UsageError("--directory '\(argument)': expected NAME=FOLDER")
    }
    let (name, folder) = (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
    guard let input = model.inputs.first(where: { $0.name == name }) else {
      throw UsageError("--directory: \(unknown(name, model))")
    }
    guard let found = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw UsageError("can't read the folder \(folder)")
    }
    var tensors: [LoadTensor] = []
    for file in found.sorted() {
      let path = "\(folder)/\(file)"
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else { continue }
      guard input.datatype == .bytes else {
        tensors.append(LoadTensor(try InputArgument.tensor("\(name)=@\(path)", model: model)))
        continue
      }
      guard let shape = TensorShape.fit(1, into: input.shape.map { $0 < 0 ? 1 : $0 }) else {
        throw UsageError("--directory: input \(name) has shape \(TensorShape.describe(input.shape)), not one element")
      }
      let bytes = Array(try content(path))
      let length = withUnsafeBytes(of: UInt32(truncatingIfNeeded: bytes.count).littleEndian) { Array($0) }
      tensors.append(LoadTensor(name: name, datatype: .bytes, shape: shape, bytes: length + bytes))
    }
    guard !tensors.isEmpty else { throw UsageError("the folder \(folder) has no files") }
    return (name, tensors)
  }

  static func content(_ path: String) throws(UsageError) -> Data {
    guard let content = FileManager.default.contents(atPath: path) else { throw UsageError("can't read \(path)") }
    return content
  }

  private static func unknown(_ name: String, _ model: ModelMetadata) -> String {
    "model \(model.name) has no input '\(name)'; it has \(model.inputs.map(\.name).joined(separator: ", "))"
  }
}

extension LoadTensor {
  init(_ tensor: ApusClient.Tensor) {
    self.init(
      name: tensor.name, datatype: Inference.Datatype(tensor.datatype), shape: tensor.shape, bytes: tensor.bytes)
  }
}

extension Inference.Datatype {
  /// The client's word for the same.
  init(_ datatype: ApusClient.Datatype) {
    guard let same = Inference.Datatype(token: datatype.rawValue) else {
      preconditionFailure("\(datatype) is a datatype of the client only. This is a bug.")
    }
    self = same
  }
}
