internal import Inference

/// What is wrong with a JSON text, and where: the path of the value, and the byte at which reading stopped.
///
/// The path is put together while the error travels outwards, so a text without faults pays nothing for it.
struct JSONFault: Error, Equatable {
  /// Such as `inputs[0].data[3]`; empty for the text as a whole.
  var path = ""
  var message: String
  /// Offset of the offending byte.
  var offset: Int
  /// An error of another kind that ended the reading, and stays as it is.
  private var passed: InferenceError?

  init(_ message: String, at offset: Int) {
    self.message = message
    self.offset = offset
  }

  init(passing error: InferenceError) {
    message = error.message
    offset = 0
    passed = error
  }

  /// The same fault, seen from the list around it.
  func inside(index: Int) -> JSONFault { prefixed("[\(index)]") }

  /// The same fault, seen from the object around it.
  func inside(_ member: String) -> JSONFault { prefixed(member) }

  private func prefixed(_ outer: String) -> JSONFault {
    var fault = self
    fault.path = path.isEmpty || path.hasPrefix("[") ? outer + path : "\(outer).\(path)"
    return fault
  }

  /// For the person who sent it.
  var error: InferenceError {
    passed ?? .invalidArgument(path.isEmpty ? "\(message) (at byte \(offset))" : "\(path): \(message) (at byte \(offset))")
  }
}
