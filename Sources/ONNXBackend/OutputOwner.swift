internal import CONNXRuntime

/// What keeps one output's bytes and shape alive until the answer is sent.
final class OutputOwner {
  private let api: OrtAPI
  private let value: OpaquePointer  // OrtValue *
  /// The shape, where the library can't lend its own.
  private let shape: UnsafeMutablePointer<Int64>?
  /// The bytes, where they had to be copied.
  private let bytes: UnsafeMutableRawPointer?

  /// Takes all of them over.
  init(_ api: OrtAPI, value: OpaquePointer, shape: UnsafeMutablePointer<Int64>?, bytes: UnsafeMutableRawPointer?) {
    self.api = api
    self.value = value
    self.shape = shape
    self.bytes = bytes
  }

  deinit {
    api.ReleaseValue(value)
    shape?.deallocate()
    bytes?.deallocate()
  }
}
