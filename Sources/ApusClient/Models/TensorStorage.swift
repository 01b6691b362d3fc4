/// Where a tensor's bytes lie, and what keeps them there.
struct TensorStorage: @unchecked Sendable {  // the bytes are not written while anybody holds the owner
  let bytes: UnsafeRawBufferPointer
  let owner: AnyObject?

  init(bytes: UnsafeRawBufferPointer, owner: AnyObject?) {
    self.bytes = bytes
    self.owner = owner
  }

  /// The array's own memory. It stays where it is for as long as the array is held: on Linux an array has no other
  /// storage, and the holder never writes, so nothing makes it move.
  init<Element: BitwiseCopyable & Sendable>(_ elements: [Element]) {
    let holder = ArrayHolder(elements)
    self.init(bytes: holder.elements.withUnsafeBytes { $0 }, owner: holder)
  }
}

private final class ArrayHolder<Element: Sendable>: Sendable {
  let elements: [Element]
  init(_ elements: [Element]) { self.elements = elements }
}
