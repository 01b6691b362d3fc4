internal import Documents

extension Document {
  /// JSON for the eye: keys blue, texts green, numbers and words yellow, by the terminal's escape sequences (ECMA-48, SGR).
  func colouredJSON(indent: Int) -> String {
    let inner = String(repeating: " ", count: indent + 2)
    let outer = String(repeating: " ", count: indent)
    switch self {
    case .null, .bool, .int, .double: return "\u{1B}[33m\(json())\u{1B}[39m"
    case .string: return "\u{1B}[32m\(json())\u{1B}[39m"
    case .array(let elements):
      if elements.isEmpty { return "[]" }
      return "[\n" + elements.map { inner + $0.colouredJSON(indent: indent + 2) }.joined(separator: ",\n") + "\n\(outer)]"
    case .object(let members):
      if members.isEmpty { return "{}" }
      let lines = members.map { key, value in
        "\(inner)\u{1B}[34m\(Document.string(key).json())\u{1B}[39m: \(value.colouredJSON(indent: indent + 2))"
      }
      return "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
    }
  }
}
