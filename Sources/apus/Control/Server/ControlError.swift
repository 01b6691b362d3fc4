package import Documents

/// What the control plane refused, in its own words.
package struct ControlError: Error, Hashable, CustomStringConvertible {
  /// Of HTTP; 0 for an operation that failed after it had been accepted.
  package let status: Int
  package let code: String
  package let message: String
  package let details: [String]

  package init(status: Int, code: String, message: String, details: [String] = []) {
    self.status = status
    self.code = code
    self.message = message
    self.details = details
  }

  /// From a body as `{"error": {code, message, details}}`, or whatever came in its place.
  package init(status: Int, body: Document?, text: String) {
    let error = body?["error"]?.object != nil ? body?["error"] : body
    let code = error?["code"]?.string ?? ControlError.name(of: status)
    guard let message = error?["message"]?.string else {
      let said = text.prefix(500).split(whereSeparator: \.isNewline).joined(separator: " ")
      self.init(status: status, code: code, message: said.isEmpty ? "HTTP \(status)" : "HTTP \(status): \(said)")
      return
    }
    let details = (error?["details"]?.array ?? []).compactMap { detail -> String? in
      guard let text = detail["message"]?.string ?? detail.string, text != message else { return nil }
      guard let target = detail["target"]?.string, !text.hasPrefix(target) else { return text }
      return "\(target): \(text)"
    }
    self.init(status: status, code: code, message: message, details: details)
  }

  /// The message, a line for each detail, and what can be done where that is known.
  package var description: String {
    var lines = ["(\(code)) \(message)"] + details.map { "  \($0)" }
    switch status {
    case 401: lines.append("  Log in with 'apus login', or give a token in APUS_TOKEN.")
    case 403: lines.append("  Ask an administrator for a role: apus role assignment create.")
    case 412: lines.append("  Somebody else changed it in the meantime; run the command again.")
    default: break
    }
    return lines.joined(separator: "\n")
  }

  private static func name(of status: Int) -> String {
    switch status {
    case 400: "BadRequest"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "NotFound"
    case 409: "Conflict"
    case 412: "PreconditionFailed"
    case 429: "TooManyRequests"
    default: "HTTP\(status)"
    }
  }
}

/// The server can't be reached, or says things that nobody could make sense of.
package struct UnreachableError: Error, Hashable, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}
