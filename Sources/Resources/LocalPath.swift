/// Paths of files as text; no file is looked at.
internal enum LocalPath {
  /// The absolute path of one that may be relative to a folder, without `.` and `..`.
  static func absolute(_ path: String, in folder: String) -> String {
    let path =
      path.hasPrefix("file://") ? String(path.dropFirst(7)) : path.hasPrefix("file:") ? String(path.dropFirst(5)) : path
    var parts: [Substring] = []
    for part in (path.hasPrefix("/") ? path : folder + "/" + path).split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
  }

  /// Whether a relative path never leaves the folder that it starts in.
  static func staysWithin(_ path: String) -> Bool {
    guard !path.isEmpty, !path.hasPrefix("/"), !path.utf8.contains(0) else { return false }
    var depth = 0
    for part in path.split(separator: "/") where part != "." {
      depth += part == ".." ? -1 : 1
      guard depth >= 0 else { return false }
    }
    return depth > 0
  }

  /// The scheme of a URI; `nil` for a path.
  static func scheme(of text: String) -> String? {
    guard let colon = text.firstIndex(of: ":") else { return nil }
    let scheme = text[..<colon]
    let isScheme =
      scheme.count > 1 && scheme.first!.isLetter
      && scheme.utf8.allSatisfy {
        ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A || ($0 >= 0x30 && $0 <= 0x39) || "+-.".utf8.contains($0)
      }
    return isScheme ? scheme.lowercased() : nil
  }
}
