internal import CONNXRuntime
internal import Inference

/// What ONNX Runtime answered instead of success: its code and its own words.
struct OrtError: Error {
  /// The codes that are told apart here; there are more. Source: `OrtErrorCode`.
  static let invalidArgument: Int32 = 2

  var code: Int32
  var message: String
}

extension OrtAPI {
  /// Takes a status over; a null one is success.
  @inline(__always)
  func check(_ status: OpaquePointer?) throws(OrtError) {
    if let status { throw take(status) }
  }

  /// For calls that cannot fail with the arguments given here: releases the status, if there is one.
  @inline(__always)
  func ignore(_ status: OpaquePointer?) {
    if let status { ReleaseStatus(status) }
  }

  @inline(never)
  private func take(_ status: OpaquePointer) -> OrtError {
    defer { ReleaseStatus(status) }
    return OrtError(code: GetErrorCode(status), message: GetErrorMessage(status).map { String(cString: $0) } ?? "")
  }

  /// Calls `make` with a place for a new object and returns the object.
  func create(_ make: (UnsafeMutablePointer<OpaquePointer?>) -> OpaquePointer?) throws(OrtError) -> OpaquePointer {
    var object: OpaquePointer?
    try check(make(&object))
    guard let object else { throw OrtError(code: 1, message: "success was reported, but nothing was made") }
    return object
  }
}
