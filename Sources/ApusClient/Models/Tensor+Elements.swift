// Tensors from Swift arrays, and back. The machine is little-endian, as the wire is.

/// An element that lies in a tensor as it lies in memory.
public protocol TensorElement: Sendable, BitwiseCopyable {
  static var datatype: Datatype { get }
}

extension UInt8: TensorElement { public static var datatype: Datatype { .uint8 } }
extension UInt16: TensorElement { public static var datatype: Datatype { .uint16 } }
extension UInt32: TensorElement { public static var datatype: Datatype { .uint32 } }
extension UInt64: TensorElement { public static var datatype: Datatype { .uint64 } }
extension Int8: TensorElement { public static var datatype: Datatype { .int8 } }
extension Int16: TensorElement { public static var datatype: Datatype { .int16 } }
extension Int32: TensorElement { public static var datatype: Datatype { .int32 } }
extension Int64: TensorElement { public static var datatype: Datatype { .int64 } }
extension Float16: TensorElement { public static var datatype: Datatype { .fp16 } }
extension Float: TensorElement { public static var datatype: Datatype { .fp32 } }
extension Double: TensorElement { public static var datatype: Datatype { .fp64 } }

extension Tensor {
  /// - Parameter shape: Nil: one axis.
  public init<Element: TensorElement>(name: String, _ elements: [Element], shape: [Int64]? = nil) {
    self.init(
      name: name, datatype: Element.datatype, shape: shape ?? [Int64(elements.count)],
      storage: TensorStorage(elements))
  }

  /// - Parameter shape: Nil: one axis.
  public init(name: String, _ elements: [Bool], shape: [Int64]? = nil) {
    self.init(
      name: name, datatype: .bool, shape: shape ?? [Int64(elements.count)], storage: TensorStorage(elements))
  }

  /// A tensor of strings; BYTES.
  ///
  /// - Parameter shape: Nil: one axis.
  public init(name: String, _ elements: [String], shape: [Int64]? = nil) {
    self.init(name: name, byteStrings: elements.map { Array($0.utf8) }, shape: shape)
  }

  /// - Parameter shape: Nil: one axis.
  public init(name: String, byteStrings: [[UInt8]], shape: [Int64]? = nil) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteStrings.reduce(0) { $0 + 4 + $1.count })
    for element in byteStrings {
      withUnsafeBytes(of: UInt32(element.count).littleEndian) { bytes.append(contentsOf: $0) }
      bytes += element
    }
    self.init(name: name, datatype: .bytes, shape: shape ?? [Int64(byteStrings.count)], bytes: bytes)
  }

  /// Lends the elements where they lie, or nil if the tensor is of another datatype.
  ///
  /// Where the bytes of an answer happen not to be aligned for the type, the elements are copied first.
  public func withElements<Element: TensorElement, Result, Failure: Error>(
    as type: Element.Type, _ body: (Span<Element>) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    let bytes = storage.bytes
    guard datatype == type.datatype, bytes.count % MemoryLayout<Element>.size == 0 else { return nil }
    defer { withExtendedLifetime(storage.owner) {} }
    guard let start = bytes.baseAddress, Int(bitPattern: start) % MemoryLayout<Element>.alignment == 0 else {
      let copy = elements(as: type) ?? []
      return try body(copy.span)
    }
    let count = bytes.count / MemoryLayout<Element>.size
    return try body(UnsafeBufferPointer(start: start.assumingMemoryBound(to: type), count: count).span)
  }

  /// A copy of the elements, or nil if the tensor is of another datatype.
  public func elements<Element: TensorElement>(as type: Element.Type) -> [Element]? {
    let bytes = storage.bytes
    let size = MemoryLayout<Element>.size
    guard datatype == type.datatype, bytes.count % size == 0 else { return nil }
    defer { withExtendedLifetime(storage.owner) {} }
    return [Element](unsafeUninitializedCapacity: bytes.count / size) { room, count in
      UnsafeMutableRawBufferPointer(room).copyMemory(from: bytes)
      count = bytes.count / size
    }
  }

  /// The elements of a BOOL tensor, or nil for another.
  public var bools: [Bool]? { datatype == .bool ? bytes.map { $0 != 0 } : nil }

  /// The elements of a BYTES tensor; nil for another, or if its lengths do not add up.
  public var byteStrings: [[UInt8]]? { byteElements { Array($0) } }

  /// The same as text; what is not UTF-8 is repaired.
  public var strings: [String]? { byteElements { String(decoding: $0, as: UTF8.self) } }

  private func byteElements<Element>(_ make: (UnsafeRawBufferPointer) -> Element) -> [Element]? {
    guard datatype == .bytes else { return nil }
    defer { withExtendedLifetime(storage.owner) {} }
    let bytes = storage.bytes
    var elements: [Element] = []
    var offset = 0
    while offset < bytes.count {
      guard bytes.count - offset >= 4 else { return nil }
      let count = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      offset += 4
      guard bytes.count - offset >= count else { return nil }
      elements.append(make(UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])))
      offset += count
    }
    return elements
  }
}
