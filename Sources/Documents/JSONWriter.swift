extension Document {
  /// The document as JSON, keys in their order: on one line without spaces or, if `pretty`, two spaces a level.
  ///
  /// NaN and the infinities, which JSON has no number for, are the strings `NaN`, `Infinity` and `-Infinity`.
  package func json(pretty: Bool = false) -> String {
    var text = ""
    writeJSON(to: &text, indent: pretty ? 0 : nil)
    return text
  }

  private func writeJSON(to text: inout String, indent: Int?) {
    switch self {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .int(let value): text += String(value)
    case .double(let value): text += value.isFinite ? String(value) : "\"\(Self.wordFor(value))\""
    case .string(let value): Self.writeQuoted(value, to: &text)
    case .array(let elements):
      Self.writeParts(elements, between: "[", "]", to: &text, indent: indent) { element, text, indent in
        element.writeJSON(to: &text, indent: indent)
      }
    case .object(let object):
      Self.writeParts(Array(object), between: "{", "}", to: &text, indent: indent) { part, text, indent in
        Self.writeQuoted(part.key, to: &text)
        text += indent == nil ? ":" : ": "
        part.value.writeJSON(to: &text, indent: indent)
      }
    }
  }

  private static func writeParts<Part>(
    _ parts: [Part], between open: String, _ close: String, to text: inout String, indent: Int?,
    write: (Part, inout String, Int?) -> Void
  ) {
    text += open
    let inner = indent.map { $0 + 2 }
    for (index, part) in parts.enumerated() {
      if index > 0 { text += "," }
      if let inner { text += "\n" + String(repeating: " ", count: inner) }
      write(part, &text, inner)
    }
    if let indent, !parts.isEmpty { text += "\n" + String(repeating: " ", count: indent) }
    text += close
  }

  private static func wordFor(_ value: Double) -> String {
    value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
  }

  /// A string in double quotes, which is one of YAML too.
  internal static func writeQuoted(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      // The last four are controls or line breaks to YAML.
      case "\0"..<" ", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}", "\u{FEFF}":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
