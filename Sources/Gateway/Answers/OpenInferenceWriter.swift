package import Inference

/// Writes a ModelInfer answer of the Open Inference Protocol's REST form.
///
/// Of an output in shared memory it says where that is, and no data. (Triton, "Binary Tensor Data Extension": "the binary data
/// immediately follows the JSON", in the order of the outputs; "Shared-Memory Extension".)
package enum OpenInferenceWriter {
  package struct Answer: Sendable {
    package var bytes: [UInt8]
    /// Where the JSON ends, if binary data follows it: the header `Inference-Header-Content-Length`.
    package var jsonByteCount: Int?
  }

  /// - Parameter binary: For each output whether it goes as bytes; nil: as `binaryByDefault` says.
  /// - Throws: `.invalidArgument` for an output of a datatype that JSON has no form for.
  package static func write(
    _ request: RequestPointer, binaryByDefault: Bool, binary: [Bool?]
  ) throws(InferenceError) -> Answer {
    let outputs = request.pointee.outputs
    var writer = JSONWriter(reserving: 256 + outputs.reduce(0) { $0 + 64 + $1.bytes.count * 2 })
    writer.raw("{\"model_name\":")
    writer.string(request.pointee.modelName)
    writer.raw(",\"model_version\":")
    writer.string(request.pointee.answeredVersion)
    if request.pointee.id.count > 0 {
      writer.raw(",\"id\":")
      writer.string(request.pointee.id)
    }
    writer.raw(",\"outputs\":[")
    var binaryOutputs: [UnsafeRawBufferPointer] = []
    for index in outputs.indices {
      if index > 0 { writer.byte(",") }
      if let place = SharedTensor.output(at: index, in: request.pointee.sharedTensors) {
        write(outputs[index], in: place.pointee, to: &writer)
        continue
      }
      let isBinary = (index < binary.count ? binary[index] : nil) ?? binaryByDefault
      try write(outputs[index], isBinary: isBinary, to: &writer)
      if isBinary { binaryOutputs.append(outputs[index].bytes) }
    }
    writer.raw("]}")
    guard !binaryOutputs.isEmpty else { return Answer(bytes: writer.bytes, jsonByteCount: nil) }
    var bytes = writer.bytes
    let jsonByteCount = bytes.count
    bytes.reserveCapacity(jsonByteCount + binaryOutputs.reduce(0) { $0 + $1.count })
    for part in binaryOutputs { bytes.append(contentsOf: part) }
    return Answer(bytes: bytes, jsonByteCount: jsonByteCount)
  }

  private static func write(
    _ output: Tensor, isBinary: Bool, to writer: inout JSONWriter
  ) throws(InferenceError) {
    writeHead(of: output, to: &writer)
    if isBinary {
      writer.raw(",\"parameters\":{\"binary_data_size\":")
      writer.integer(output.bytes.count)
      return writer.raw("}}")
    }
    guard output.datatype != .fp16, output.datatype != .bf16 else {
      throw .invalidArgument(
        "output '\(String(decoding: output.name, as: UTF8.self))' is \(output.datatype), which has no form in JSON: "
          + "ask for it as binary data (\"parameters\": {\"binary_data\": true})")
    }
    writer.raw(",\"data\":")
    var cursor = TensorCursor(output)
    cursor.writeFlat(to: &writer)
    writer.byte("}")
  }

  private static func write(_ output: Tensor, in place: SharedTensor, to writer: inout JSONWriter) {
    writeHead(of: output, to: &writer)
    writer.raw(",\"parameters\":{\"shared_memory_region\":")
    writer.string(place.region)
    writer.raw(",\"shared_memory_byte_size\":")
    writer.integer(place.byteCount)
    if place.offset > 0 {
      writer.raw(",\"shared_memory_offset\":")
      writer.integer(place.offset)
    }
    writer.raw("}}")
  }

  /// Name, datatype and shape.
  private static func writeHead(of output: Tensor, to writer: inout JSONWriter) {
    writer.raw("{\"name\":")
    writer.string(output.name)
    writer.raw(",\"datatype\":\"")
    writer.raw(output.datatype.token)
    writer.raw("\",\"shape\":[")
    for axis in output.shape.indices {
      if axis > 0 { writer.byte(",") }
      writer.integer(output.shape[axis])
    }
    writer.byte("]")
  }
}
