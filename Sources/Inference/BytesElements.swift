/// The elements of a BYTES tensor: each a 4-byte little-endian length and that many bytes.
package struct BytesElements {
  package let bytes: UnsafeRawBufferPointer

  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Offset just past `count` elements that begin at `offset`, or nil if the bytes end before they do.
  package func end(ofElements count: Int, from offset: Int = 0) -> Int? {
    var offset = offset
    for _ in 0..<count {
      guard bytes.count &- offset >= 4 else { return nil }
      let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
      offset &+= 4
      guard bytes.count &- offset >= length else { return nil }
      offset &+= length
    }
    return offset
  }
}
