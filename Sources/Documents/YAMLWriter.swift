extension Document {
  /// The document as YAML, one key or element a line, ending with a line break. Reading it gives the same document.
  package func yaml() -> String {
    var text = ""
    writeYAML(to: &text, indent: 0, isNested: false)
    return text
  }

  /// Writes the value after what announces it ("key:" or "-"), or at the start of the text.
  private func writeYAML(to text: inout String, indent: Int, isNested: Bool) {
    let margin = String(repeating: " ", count: indent)
    switch self {
    case .array(let elements) where !elements.isEmpty:
      if isNested { text += "\n" }
      for element in elements {
        // An element's first line stands beside its dash.
        var lines = ""
        element.writeYAML(to: &lines, indent: indent + 2, isNested: false)
        text += margin + "- " + lines.drop { $0 == " " }
      }
    case .object(let object) where !object.isEmpty:
      if isNested { text += "\n" }
      for (key, value) in object {
        text += margin + Self.scalar(key) + ":"
        value.writeYAML(to: &text, indent: indent + 2, isNested: true)
      }
    default:
      text += (isNested ? " " : "") + yamlScalar + "\n"
    }
  }

  private var yamlScalar: String {
    switch self {
    case .null: "null"
    case .bool(let value): "\(value)"
    case .int(let value): "\(value)"
    case .double(let value): value.isNaN ? ".nan" : value.isInfinite ? (value < 0 ? "-.inf" : ".inf") : "\(value)"
    case .string(let value): Self.scalar(value)
    case .array: "[]"
    case .object: "{}"
    }
  }

  /// A string, in quotes unless every reader would take it for a string as it is, those of YAML 1.1 included.
  private static func scalar(_ string: String) -> String {
    let staysPlain =
      string.utf8.allSatisfy { isPlain($0) || $0 == 0x20 || $0 == UInt8(ascii: ":") }
      && (string.utf8.first.map { $0 >= 0x41 && $0 != UInt8(ascii: "@") || $0 == UInt8(ascii: "/") } ?? false)
      && !string.hasSuffix(" ") && !string.hasSuffix(":")
      && !containsColonSpace(string)
      && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(string.lowercased())
    guard !staysPlain else { return string }
    var text = ""
    writeQuoted(string, to: &text)
    return text
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x41...0x5A, 0x61...0x7A, 0x30...0x39: true
    default: "_-./@+=()%$".utf8.contains(byte)
    }
  }

  private static func containsColonSpace(_ string: String) -> Bool {
    var previous: UInt8 = 0
    for byte in string.utf8 {
      if previous == UInt8(ascii: ":") && byte == 0x20 { return true }
      previous = byte
    }
    return false
  }
}
