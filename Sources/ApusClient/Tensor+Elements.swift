// Tensors from Swift arrays, and back. The machine is little-endian, as the wire is.

/// An element that lies in a tensor as it lies in memory.
public protocol TensorElement: Sendable {
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
      bytes: elements.withUnsafeBytes { Array($0) })
  }

  /// - Parameter shape: Nil: one axis.
  public init(name: String, _ elements: [Bool], shape: [Int64]? = nil) {
    self.init(
      name: name, datatype: .bool, shape: shape ?? [Int64(elements.count)], bytes: elements.map { $0 ? 1 : 0 })
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

  /// The elements, or nil if the tensor is of another datatype.
  public func elements<Element: TensorElement>(as type: Element.Type) -> [Element]? {
    guard datatype == type.datatype, bytes.count % MemoryLayout<Element>.size == 0 else { return nil }
    return bytes.withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count, by: MemoryLayout<Element>.size).map {
        bytes.loadUnaligned(fromByteOffset: $0, as: type)
      }
    }
  }

  /// The elements of a BOOL tensor, or nil for another.
  public var bools: [Bool]? { datatype == .bool ? bytes.map { $0 != 0 } : nil }

  /// The elements of a BYTES tensor; nil for another, or if its lengths do not add up.
  public var byteStrings: [[UInt8]]? {
    guard datatype == .bytes else { return nil }
    var elements: [[UInt8]] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      guard rest.count >= 4 else { return nil }
      let count = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(4)
      guard rest.count >= count else { return nil }
      elements.append(Array(rest.prefix(count)))
      rest = rest.dropFirst(count)
    }
    return elements
  }

  /// The same as text; what is not UTF-8 is repaired.
  public var strings: [String]? { byteStrings?.map { String(decoding: $0, as: UTF8.self) } }
}
