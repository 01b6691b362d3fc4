package import ApusClient
internal import Foundation

/// One `--input NAME[:SHAPE]=VALUE`, and the tensor that it stands for.
package enum InputArgument {
  /// Reads the argument, and the file that it may name.
  ///
  /// - Throws: `UsageError`; for an unknown input with the model's own.
  package static func tensor(_ argument: String, model: ModelMetadata) throws(UsageError) -> Tensor {
    guard let equals = argument.firstIndex(of: "=") else {
      throw UsageError("--input '\(argument)': expected NAME=VALUE or NAME:SHAPE=VALUE")
    }
    let (metadata, shape) = try input(String(argument[..<equals]), model)
    let value = String(argument[argument.index(after: equals)...])
    guard value.first == "@" else {
      return try Tensor(try JSONValue(parsing: value, from: "--input \(metadata.name)"), as: metadata, shape: shape)
    }
    return try tensor(fromFile: String(value.dropFirst()), metadata, shape)
  }

  /// The input that the left side names. A name may hold colons itself, so the whole is tried first.
  private static func input(
    _ text: String, _ model: ModelMetadata
  ) throws(UsageError) -> (TensorMetadata, shape: [Int64]?) {
    if let metadata = model.inputs.first(where: { $0.name == text }) { return (metadata, nil) }
    if let colon = text.lastIndex(of: ":"), let shape = TensorShape.parse(String(text[text.index(after: colon)...])),
      let metadata = model.inputs.first(where: { $0.name == text[..<colon] })
    {
      return (metadata, shape)
    }
    let inputs = model.inputs.map { "\($0.name) (\($0.datatype.rawValue) \(TensorShape.describe($0.shape)))" }
    throw UsageError("model \(model.name) has no input '\(text)'; it has \(inputs.joined(separator: ", "))")
  }

  private static func tensor(
    fromFile path: String, _ metadata: TensorMetadata, _ shape: [Int64]?
  ) throws(UsageError) -> Tensor {
    guard let content = FileManager.default.contents(atPath: path) else { throw UsageError("can't read \(path)") }
    if path.hasSuffix(".json") {
      let json = try JSONValue(parsing: String(decoding: content, as: UTF8.self), from: path)
      return try Tensor(json, as: metadata, shape: shape)
    }
    if path.hasSuffix(".npy") {
      let array = try NumPyFile(Array(content), name: path)
      guard array.datatype == metadata.datatype else {
        throw UsageError(
          "\(path) holds \(array.datatype.rawValue); input \(metadata.name) is \(metadata.datatype.rawValue)")
      }
      let resolved = shape ?? array.shape
      guard try TensorShape.elementCount(resolved) == TensorShape.elementCount(array.shape) else {
        throw UsageError(
          "\(path) has shape \(TensorShape.describe(array.shape)), which does not fill "
            + TensorShape.describe(resolved))
      }
      return Tensor(name: metadata.name, datatype: array.datatype, shape: resolved, bytes: array.bytes)
    }
    return try tensor(raw: Array(content), path, metadata, shape)
  }

  private static func tensor(
    raw bytes: [UInt8], _ path: String, _ metadata: TensorMetadata, _ shape: [Int64]?
  ) throws(UsageError) -> Tensor {
    let size = metadata.datatype.byteSize
    let fitted = size.flatMap { bytes.count % $0 == 0 ? TensorShape.fit(bytes.count / $0, into: metadata.shape) : nil }
    guard let resolved = shape ?? fitted else {
      throw UsageError(
        "\(path) has \(bytes.count) bytes, which do not say the shape of input \(metadata.name) "
          + "(\(metadata.datatype.rawValue) \(TensorShape.describe(metadata.shape))); give it as "
          + "\(metadata.name):SHAPE=@\(path)")
    }
    let expected = try TensorShape.byteCount(resolved, of: metadata.datatype)
    if size != nil, expected != bytes.count {
      throw UsageError(
        "\(path) has \(bytes.count) bytes; shape \(TensorShape.describe(resolved)) of \(metadata.datatype.rawValue) "
          + "takes \(expected)")
    }
    return Tensor(name: metadata.name, datatype: metadata.datatype, shape: resolved, bytes: bytes)
  }
}
