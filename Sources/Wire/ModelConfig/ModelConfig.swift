internal import CProtos
package import Inference

/// A model's configuration as it stands in a file or on the wire: every field of Triton's `ModelConfig`, in wire form.
///
/// It keeps what this server does not act on, so that it can be told apart from what was never set. `configuration()`
/// gives what the server works with.
package struct ModelConfig: WireMessage, Hashable {
  static let schema = MessageSchema(of: inference__model_config__init)

  let bytes: [UInt8]

  package init(decoding bytes: UnsafeRawBufferPointer) throws(InferenceError) {
    _ = try ConfigurationMessage(decoding: bytes)
    self.bytes = Array(bytes)
  }

  package func encoded() -> [UInt8] { bytes }

  /// Reads `config.pbtxt`.
  ///
  /// - Throws: `.invalidArgument` with line, column and the field's path; for a field that does not exist, with the one
  ///   that may have been meant.
  package init(text: String) throws(InferenceError) {
    try self.init(decoding: try TextFormatParser.wireForm(of: text, ModelConfig.schema))
  }

  /// Reads protobuf's JSON form, as a load request's `config` parameter has it.
  ///
  /// - Throws: As `init(text:)`.
  package init(json: String) throws(InferenceError) {
    try self.init(decoding: try JSONParser.wireForm(of: json, ModelConfig.schema))
  }

  /// The configuration of a loaded model: what was configured, completed by what the model says.
  package init(_ configuration: ModelConfiguration, signature: ModelSignature) {
    var completed = configuration
    let hasBatchAxis = (configuration.maxBatchSize ?? 0) > 0 && signature.isBatchable
    if completed.inputs.isEmpty { completed.inputs = withoutBatchAxis(signature.inputs, hasBatchAxis) }
    if completed.outputs.isEmpty { completed.outputs = withoutBatchAxis(signature.outputs, hasBatchAxis) }
    var bytes = ConfigurationMessage(configuration: completed).encoded()
    // proto3 leaves zeros out, but an explicit 0 says that axis 0 is not a batch axis.
    if completed.maxBatchSize == 0 { bytes += [UInt8(ModelConfig.maxBatchSizeNumber << 3) | WireType.varint, 0] }
    self.bytes = bytes
  }

  /// What this server acts on, and the paths of all other fields that are set, such as `instance_group.rate_limiter`.
  /// Whether those are refused or warned of is the caller's to decide.
  ///
  /// - Throws: `.invalidArgument` if a value makes no sense, with its path.
  package func configuration() throws(InferenceError) -> (configuration: ModelConfiguration, unsupported: [String]) {
    var configuration = try ConfigurationMessage(decoding: bytes).configuration
    if !isSet(ModelConfig.maxBatchSizeNumber) { configuration.maxBatchSize = nil }
    return (configuration, unsupportedFields())
  }

  private static let maxBatchSizeNumber: UInt32 = 4

  /// Whether a field of the outermost level is there, be it with its default.
  private func isSet(_ number: UInt32) -> Bool {
    bytes.withUnsafeBytes { bytes in
      var reader = WireReader(bytes)
      while let tag = reader.tag(), reader.skipValue(tag.wireType) {
        if tag.number == number { return true }
      }
      return false
    }
  }
}

/// Shapes as a configuration has them: the batch axis goes without saying.
private func withoutBatchAxis(_ tensors: [TensorMetadata], _ hasBatchAxis: Bool) -> [TensorMetadata] {
  guard hasBatchAxis else { return tensors }
  return tensors.map { TensorMetadata(name: $0.name, datatype: $0.datatype, shape: Array($0.shape.dropFirst())) }
}

/// A model's configuration, completed. The answer to ModelConfigRequest.
package struct ModelConfigResponse: WireMessage, Hashable {
  package var config: ModelConfig

  package init(config: ModelConfig) { self.config = config }

  package init(decoding bytes: UnsafeRawBufferPointer) throws(InferenceError) {
    var reader = WireReader(bytes)
    var config: [UInt8] = []
    while !reader.isAtEnd {
      guard let tag = reader.tag() else { throw .invalidArgument("ModelConfigResponse has a malformed tag") }
      if tag.number == 1, tag.wireType == WireType.lengthDelimited {
        guard let part = reader.lengthDelimited() else { throw .invalidArgument("config is cut short") }
        // A message that comes in parts is their concatenation.
        config += Array(part)
      } else if !reader.skipValue(tag.wireType) {
        throw .invalidArgument("field \(tag.number) is cut short, or holds a group")
      }
    }
    self.config = try ModelConfig(decoding: config)
  }

  package func encoded() -> [UInt8] {
    let count = config.bytes.count
    return [UInt8](unsafeUninitializedCapacity: WireWriter.lengthDelimitedSize(count)) { buffer, used in
      var writer = WireWriter(at: UnsafeMutableRawPointer(buffer.baseAddress!))
      writer.lengthDelimited(1, count: count)
      config.bytes.withUnsafeBytes { writer.bytes($0) }
      used = WireWriter.lengthDelimitedSize(count)
    }
  }
}
