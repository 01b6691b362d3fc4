/// Some bytes of an outgoing message, kept alive by an owner until they are sent.
///
/// A message is a short run of segments: what was packed for it, and tensors by reference where copying would cost more
/// than a further `iovec`.
package struct Segment {
  package var bytes: UnsafeRawBufferPointer
  /// Retained once for the segment; released when it is sent or dropped. Nil where the call's arena holds the bytes.
  package var owner: Unmanaged<AnyObject>?

  package init(bytes: UnsafeRawBufferPointer, owner: Unmanaged<AnyObject>? = nil) {
    self.bytes = bytes
    self.owner = owner
  }
}
