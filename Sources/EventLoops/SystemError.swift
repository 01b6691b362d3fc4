internal import Glibc

/// A system call that failed, in words: the call, what it was about, and the system's reason.
package struct SystemError: Error, CustomStringConvertible {
  package let call: String
  package let subject: String
  /// As in errno(3).
  package let number: Int32

  package init(call: String, subject: String = "", number: Int32) {
    self.call = call
    self.subject = subject
    self.number = number
  }

  /// The reason the last call on this thread failed.
  package static func last(_ call: String, _ subject: String = "") -> SystemError {
    SystemError(call: call, subject: subject, number: errno)
  }

  package var description: String {
    let reason = String(cString: strerror(number))
    return subject.isEmpty ? "\(call): \(reason)" : "\(call) \(subject): \(reason)"
  }
}
