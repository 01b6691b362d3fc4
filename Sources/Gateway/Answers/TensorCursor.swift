internal import Inference

/// A tensor whose elements are written as JSON one after the other, in the order in which they lie.
struct TensorCursor {
  let tensor: Tensor
  /// Offset of the next element.
  private var offset = 0

  init(_ tensor: Tensor) { self.tensor = tensor }

  /// All elements as one list, whatever the shape: the protocol's flat form.
  mutating func writeFlat(to writer: inout JSONWriter) {
    write(TensorSize.elementCount(of: tensor.shape) ?? 0, to: &writer)
  }

  /// The tensor as lists within lists, from `axis` inwards. A tensor without axes is an element alone.
  mutating func writeNested(fromAxis axis: Int = 0, to writer: inout JSONWriter) {
    let rank = tensor.shape.count
    if axis >= rank { return writeElement(to: &writer) }
    let length = Int(tensor.shape[axis])
    if axis == rank - 1 { return write(length, to: &writer) }
    writer.byte("[")
    for index in 0..<length {
      if index > 0 { writer.byte(",") }
      writeNested(fromAxis: axis + 1, to: &writer)
    }
    writer.byte("]")
  }

  private mutating func write(_ count: Int, to writer: inout JSONWriter) {
    writer.byte("[")
    switch tensor.datatype {
    case .fp32: write(count, as: Float.self, to: &writer) { $0.number($1) }
    case .fp64: write(count, as: Double.self, to: &writer) { $0.number($1) }
    case .int64: write(count, as: Int64.self, to: &writer) { $0.integer($1) }
    case .int32: write(count, as: Int32.self, to: &writer) { $0.integer($1) }
    case .uint8: write(count, as: UInt8.self, to: &writer) { $0.integer($1) }
    default:
      for index in 0..<count {
        if index > 0 { writer.byte(",") }
        writeElement(to: &writer)
      }
    }
    writer.byte("]")
  }

  @inline(__always)
  private mutating func write<Element: BitwiseCopyable>(
    _ count: Int, as _: Element.Type, to writer: inout JSONWriter, _ body: (inout JSONWriter, Element) -> Void
  ) {
    for index in 0..<count {
      if index > 0 { writer.byte(",") }
      body(&writer, next(Element.self))
    }
  }

  @inline(__always)
  private mutating func next<Element: BitwiseCopyable>(_: Element.Type) -> Element {
    defer { offset &+= MemoryLayout<Element>.size }
    return tensor.bytes.loadUnaligned(fromByteOffset: offset, as: Element.self)
  }

  private mutating func writeElement(to writer: inout JSONWriter) {
    switch tensor.datatype {
    case .bool: writer.bool(next(UInt8.self) != 0)
    case .uint8: writer.integer(next(UInt8.self))
    case .uint16: writer.integer(next(UInt16.self))
    case .uint32: writer.integer(next(UInt32.self))
    case .uint64: writer.integer(next(UInt64.self))
    case .int8: writer.integer(next(Int8.self))
    case .int16: writer.integer(next(Int16.self))
    case .int32: writer.integer(next(Int32.self))
    case .int64: writer.integer(next(Int64.self))
    // Both are exact as FP32, whose shortest form reads back as the same FP16 or BF16.
    case .fp16: writer.number(Float(next(Float16.self)))
    case .bf16: writer.number(Float(bitPattern: UInt32(next(UInt16.self)) << 16))
    case .fp32: writer.number(next(Float.self))
    case .fp64: writer.number(next(Double.self))
    case .bytes: writeBytes(to: &writer)
    }
  }

  /// A string where the bytes are UTF-8, else `{"b64": …}`.
  private mutating func writeBytes(to writer: inout JSONWriter) {
    let length = Int(UInt32(littleEndian: next(UInt32.self)))
    let content = UnsafeRawBufferPointer(rebasing: tensor.bytes[offset..<offset + length])
    offset += length
    if content.allSatisfy({ $0 < 0x80 }) || String(validating: content, as: UTF8.self) != nil {
      writer.string(content)
    } else {
      writer.raw("{\"b64\":\"")
      writer.raw(String(decoding: Base64.encode(content), as: UTF8.self))
      writer.raw("\"}")
    }
  }
}
