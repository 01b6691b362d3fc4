internal import CONNXRuntime

/// What keeps one output's bytes and shape alive until the answer is sent.
final class OutputOwner {
  private let api: OrtAPI
  private var value: OpaquePointer?  // OrtValue *
  /// The shape, where the library can't lend its own.
  private var shape: UnsafeMutablePointer<Int64>?
  /// The bytes, where they had to be copied.
  private var bytes: UnsafeMutableRawPointer?

  init(_ api: OrtAPI) { self.api = api }

  /// Takes all of them over.
  func hold(value: OpaquePointer, shape: UnsafeMutablePointer<Int64>?, bytes: UnsafeMutableRawPointer?) {
    self.value = value
    self.shape = shape
    self.bytes = bytes
  }

  func clear() {
    api.ReleaseValue(value)
    shape?.deallocate()
    bytes?.deallocate()
    (value, shape, bytes) = (nil, nil, nil)
  }

  deinit { clear() }
}

/// The owners of one instance's small outputs, used in turn, so that a run in steady state allocates none.
///
/// An owner is free again when nobody else refers to it. What it held lasts until it is used again, which is why large
/// outputs have owners of their own.
struct OutputOwners {
  /// Bytes of an output up to which its owner is used again.
  static let smallBytes = 4096
  private static let capacity = 64

  private let api: OrtAPI
  private var ring: [OutputOwner] = []
  private var next = 0

  init(_ api: OrtAPI) { self.api = api }

  /// An owner that holds nothing.
  mutating func take(forByteCount byteCount: Int) -> OutputOwner {
    guard byteCount <= Self.smallBytes else { return OutputOwner(api) }
    if ring.count < Self.capacity, next == ring.count || !isKnownUniquelyReferenced(&ring[next]) {
      // The oldest is still in use: one more makes the round longer.
      ring.insert(OutputOwner(api), at: next)
    } else if !isKnownUniquelyReferenced(&ring[next]) {
      return OutputOwner(api)
    } else {
      ring[next].clear()
    }
    defer { next = (next + 1) % ring.count }
    return ring[next]
  }
}
