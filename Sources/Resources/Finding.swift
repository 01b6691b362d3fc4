/// Something to say about what was written: a key that is wrong, or one that has no effect here.
package struct Finding: Hashable, Sendable {
  package enum Severity: String, Hashable, Sendable { case warning, error }

  package var severity: Severity
  /// Where, as the author wrote it: `request_settings.request_timeout_ms`, `traffic.blue`. Empty: the whole.
  package var path: String
  /// The line of the file, from 1, where there is a file.
  package var line: Int?
  /// What is wrong, without the path.
  package var message: String

  package init(_ severity: Severity, at path: String, line: Int? = nil, _ message: String) {
    self.severity = severity
    self.path = path
    self.line = line
    self.message = message
  }
}

extension Finding: CustomStringConvertible {
  package var description: String {
    (path.isEmpty ? message : "\(path): \(message)") + (line.map { " (line \($0))" } ?? "")
  }
}

/// A resource that can't be taken as it was written, with everything that is wrong with it.
package struct ResourceError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Errors first. At least one is an error.
  package var findings: [Finding]

  package init(_ findings: [Finding]) {
    self.findings = findings.filter { $0.severity == .error } + findings.filter { $0.severity == .warning }
  }

  package var errors: [Finding] { findings.filter { $0.severity == .error } }
  package var description: String { errors.map(\.description).joined(separator: "; ") }
}
