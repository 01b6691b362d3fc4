internal import Inference

/// The parameters of an output that lies in shared memory: where, as the request said.
///
/// Source: Triton, "Shared-Memory Extension".
enum SharedMemoryParameters {
  /// A field of InferOutputTensor: a map, whose entries have the key as field 1 and an InferParameter as field 2.
  private static let parametersField: UInt8 = 4

  // Fields of InferParameter.
  private static let int64Field: UInt8 = 2
  private static let stringField: UInt8 = 3

  private static let regionKey: StaticString = "shared_memory_region"
  private static let byteSizeKey: StaticString = "shared_memory_byte_size"
  private static let offsetKey: StaticString = "shared_memory_offset"

  /// Bytes of all of them.
  @inline(never)
  static func byteCount(of tensor: SharedTensor) -> Int {
    var count = entrySize(regionKey, valueBytes: WireWriter.lengthDelimitedSize(tensor.region.count))
    count += entrySize(byteSizeKey, valueBytes: integerSize(tensor.byteCount))
    if tensor.offset > 0 { count += entrySize(offsetKey, valueBytes: integerSize(tensor.offset)) }
    return count
  }

  @inline(never)
  static func write(_ tensor: SharedTensor, to writer: inout WireWriter) {
    writeEntryHead(regionKey, valueBytes: WireWriter.lengthDelimitedSize(tensor.region.count), to: &writer)
    writer.lengthDelimited(stringField, count: tensor.region.count)
    writer.bytes(tensor.region)
    write(byteSizeKey, tensor.byteCount, to: &writer)
    if tensor.offset > 0 { write(offsetKey, tensor.offset, to: &writer) }
  }

  private static func write(_ key: StaticString, _ value: Int, to writer: inout WireWriter) {
    writeEntryHead(key, valueBytes: integerSize(value), to: &writer)
    writer.varint(UInt64(int64Field) << 3 | UInt64(WireType.varint))
    writer.varint(UInt64(value))
  }

  private static func writeEntryHead(_ key: StaticString, valueBytes: Int, to writer: inout WireWriter) {
    writer.lengthDelimited(parametersField, count: contentsSize(key, valueBytes: valueBytes))
    writer.string(1, bytes(of: key))
    writer.lengthDelimited(2, count: valueBytes)
  }

  private static func entrySize(_ key: StaticString, valueBytes: Int) -> Int {
    WireWriter.lengthDelimitedSize(contentsSize(key, valueBytes: valueBytes))
  }

  private static func contentsSize(_ key: StaticString, valueBytes: Int) -> Int {
    WireWriter.stringSize(bytes(of: key)) + WireWriter.lengthDelimitedSize(valueBytes)
  }

  private static func integerSize(_ value: Int) -> Int { 1 + WireWriter.varintSize(UInt64(value)) }

  private static func bytes(of key: StaticString) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount)
  }
}
