internal import Glibc

/// Byte-wise equality of two runs of bytes.
package func == (left: UnsafeRawBufferPointer, right: UnsafeRawBufferPointer) -> Bool {
  guard left.count == right.count else { return false }
  guard let leftStart = left.baseAddress, let rightStart = right.baseAddress else { return left.count == 0 }
  return memcmp(leftStart, rightStart, left.count) == 0
}

extension UnsafeRawBufferPointer {
  /// Whether the bytes are those of a literal. No `String` is made.
  package func equals(_ literal: StaticString) -> Bool {
    self == UnsafeRawBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount)
  }

  /// Whether the bytes begin with those of a literal.
  package func begins(with literal: StaticString) -> Bool {
    count >= literal.utf8CodeUnitCount
      && UnsafeRawBufferPointer(rebasing: self[..<literal.utf8CodeUnitCount]).equals(literal)
  }
}
