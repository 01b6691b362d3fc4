internal import Glibc

/// What a signature says of one input or output, laid out for checking requests without touching a `String` or `Array`.
///
/// Allocated once with the signature's owner and freed by `deallocate()`; the name's bytes live as long.
package struct CompiledTensor {
  package let name: UnsafeRawBufferPointer
  package let datatype: Datatype
  /// Bytes of one element; 0 for BYTES.
  package let elementBytes: Int
  /// -1 is an axis of any length; axis 0 is -1 where it is the batch axis.
  package let shape: UnsafeBufferPointer<Int64>

  package init(_ metadata: TensorMetadata, isBatched: Bool) {
    let name = UnsafeMutableRawBufferPointer.allocate(byteCount: max(metadata.name.utf8.count, 1), alignment: 1)
    name.copyBytes(from: metadata.name.utf8)
    self.name = UnsafeRawBufferPointer(rebasing: name[..<metadata.name.utf8.count])
    datatype = metadata.datatype
    elementBytes = metadata.datatype.byteSize ?? 0
    let shape = UnsafeMutableBufferPointer<Int64>.allocate(capacity: max(metadata.shape.count, 1))
    shape.initialize(repeating: 0)
    for (axis, length) in metadata.shape.enumerated() { shape[axis] = isBatched && axis == 0 ? -1 : length }
    self.shape = UnsafeBufferPointer(rebasing: shape[..<metadata.shape.count])
  }

  package func deallocate() {
    name.baseAddress?.deallocate()
    shape.baseAddress?.deallocate()
  }

  func isNamed(_ other: UnsafeRawBufferPointer) -> Bool {
    guard name.count == other.count else { return false }
    guard let left = name.baseAddress, let right = other.baseAddress else { return name.count == 0 }
    return memcmp(left, right, name.count) == 0
  }
}

/// Elements and bytes that a shape stands for.
package enum TensorSize {
  /// Product of the axes; 1 for a scalar, nil past 63 bits or with a negative axis.
  package static func elementCount(of shape: UnsafeBufferPointer<Int64>) -> Int? {
    var product = 1
    for length in shape {
      guard length >= 0 else { return nil }
      let (next, overflow) = product.multipliedReportingOverflow(by: Int(length))
      if overflow { return nil }
      product = next
    }
    return product
  }
}
