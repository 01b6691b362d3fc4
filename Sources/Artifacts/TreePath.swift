/// The rules for the path of a file in a tree, so that a checkout can lead nowhere but into its own folder.
internal enum TreePath {
  static let maxBytes = 1024
  static let maxComponentBytes = 255
  static let maxDepth = 32

  /// What is wrong with it, as the end of a sentence; nil if nothing is.
  static func flaw(in bytes: some Collection<UInt8>) -> String? {
    if bytes.isEmpty { return "is empty" }
    if bytes.count > maxBytes { return "has \(bytes.count) bytes; at most \(maxBytes) are allowed" }
    if bytes.first == UInt8(ascii: "/") { return "is absolute; a path within the folder is expected" }
    if let byte = bytes.first(where: { $0 < 0x20 || $0 == 0x7F }) { return "holds the control character \(byte)" }
    if String(validating: bytes, as: UTF8.self) == nil { return "is not UTF-8" }
    let components = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    if components.count > maxDepth { return "has \(components.count) parts; at most \(maxDepth) are allowed" }
    for component in components {
      if component.isEmpty { return "has an empty part" }
      if component.elementsEqual(".".utf8) || component.elementsEqual("..".utf8) {
        return "has the part '\(String(decoding: component, as: UTF8.self))'"
      }
      if component.count > maxComponentBytes {
        return "has a part of \(component.count) bytes; at most \(maxComponentBytes) are allowed"
      }
    }
    return nil
  }

  /// For messages: cut, and with every byte that a terminal might obey or not know as `\xNN`.
  static func quoted(_ bytes: some Collection<UInt8>) -> String {
    let shown = bytes.prefix(200)
    let isText = String(validating: shown, as: UTF8.self) != nil
    var text = ""
    var plain: [UInt8] = []
    for byte in shown {
      guard byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !isText) else {
        plain.append(byte)
        continue
      }
      text += String(decoding: plain, as: UTF8.self) + "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      plain = []
    }
    text += String(decoding: plain, as: UTF8.self)
    return "'\(text)\(bytes.count > 200 ? "…" : "")'"
  }
}
