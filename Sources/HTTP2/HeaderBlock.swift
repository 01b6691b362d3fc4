internal import Inference

/// Received or outgoing header fields, packed one behind the other in one block that is reused.
///
/// ```
/// [ name length | value length | name | value ] [ name length | … ]
/// ```
/// Names are lower-case and values are bytes as HTTP/2 carries them (RFC 9113 §8.2). Belongs to its stream.
package struct HeaderBlock {
  private var base: UnsafeMutableRawPointer?
  private var capacity = 0
  private var used = 0
  package private(set) var count = 0

  private static let prefix = 8  // two 32-bit lengths

  package init() {}

  /// Forgets the fields and keeps the memory, unless that grew beyond what an ordinary call needs.
  package mutating func reset() {
    used = 0
    count = 0
    if capacity > 4096 { deallocate() }
  }

  /// Frees the memory. The owner calls it once, at the end.
  package mutating func deallocate() {
    base?.deallocate()
    base = nil
    capacity = 0
    used = 0
    count = 0
  }

  package mutating func append(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
    let size = Self.prefix + name.count + value.count
    if used + size > capacity { grow(to: used + size) }
    guard let start = base.map({ $0 + used }) else { return }
    start.storeBytes(of: UInt32(name.count), as: UInt32.self)
    (start + 4).storeBytes(of: UInt32(value.count), as: UInt32.self)
    if let source = name.baseAddress { (start + Self.prefix).copyMemory(from: source, byteCount: name.count) }
    if let source = value.baseAddress {
      (start + Self.prefix + name.count).copyMemory(from: source, byteCount: value.count)
    }
    used += size
    count += 1
  }

  package mutating func append(name: StaticString, value: UnsafeRawBufferPointer) {
    append(name: UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), value: value)
  }

  package mutating func append(name: String, value: String) {
    var name = name
    var value = value
    name.withUTF8 { name in
      value.withUTF8 { value in append(name: UnsafeRawBufferPointer(name), value: UnsafeRawBufferPointer(value)) }
    }
  }

  package mutating func append(contentsOf other: borrowing HeaderBlock) {
    var cursor = 0
    while let field = other.next(&cursor) { append(name: field.name, value: field.value) }
  }

  /// One field; valid until the block changes.
  package struct Field {
    package let name: UnsafeRawBufferPointer
    package let value: UnsafeRawBufferPointer

    package init(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) {
      self.name = name
      self.value = value
    }
  }

  /// Walks the fields from `cursor`, which starts at 0. Nil at the end.
  package func next(_ cursor: inout Int) -> Field? {
    guard let base, cursor < used else { return nil }
    let start = base + cursor
    let nameCount = Int(start.loadUnaligned(as: UInt32.self))
    let valueCount = Int((start + 4).loadUnaligned(as: UInt32.self))
    cursor += Self.prefix + nameCount + valueCount
    return Field(
      name: UnsafeRawBufferPointer(start: start + Self.prefix, count: nameCount),
      value: UnsafeRawBufferPointer(start: start + Self.prefix + nameCount, count: valueCount))
  }

  /// The value of the first field of that name.
  package func value(of name: StaticString) -> UnsafeRawBufferPointer? {
    let name = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    var cursor = 0
    while let field = next(&cursor) {
      if field.name == name { return field.value }
    }
    return nil
  }

  private mutating func grow(to needed: Int) {
    let larger = UnsafeMutableRawPointer.allocate(byteCount: max(needed, 2 * capacity, 512), alignment: 8)
    if let base {
      larger.copyMemory(from: base, byteCount: used)
      base.deallocate()
    }
    base = larger
    capacity = max(needed, 2 * capacity, 512)
  }
}
