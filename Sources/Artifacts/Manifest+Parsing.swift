extension Manifest {
  /// Reads a manifest's text. There is one text for a tree: a line out of order or a zero too many is an error.
  ///
  /// - Throws: `.invalidArgument` with the line or the path; `.limitReached` with the limit.
  package static func parse(
    _ text: [UInt8], limits: ArtifactLimits = ArtifactLimits()
  ) throws(ArtifactError) -> Manifest {
    guard text.count <= limits.maxManifestBytes else { throw tooLong(text.count, limits) }
    guard text.starts(with: header.utf8) else {
      throw .init(.invalidArgument, "manifest, line 1: 'apus-tree 1' is expected")
    }
    guard text.last == newline else {
      throw .init(.invalidArgument, "manifest: the last line is cut short; it ends by no newline")
    }
    var entries: [ManifestEntry] = []
    let lines = text[header.utf8.count...].dropLast().split(separator: newline, omittingEmptySubsequences: false)
    let isEmpty = text.count == header.utf8.count
    for (index, line) in (isEmpty ? [] : lines).enumerated() {
      guard entries.count < limits.maxPathCount else {
        throw .init(.limitReached, "the manifest has \(lines.count) paths; maxPathCount is \(limits.maxPathCount)")
      }
      entries.append(try entry(line, number: index + 2))
    }
    let manifest = try Manifest(entries: entries, limits: limits)
    guard manifest.text == text else {
      let number = zip(lines, manifest.entries).prefix { line, entry in
        line.suffix(entry.path.utf8.count).elementsEqual(entry.path.utf8)
      }.count
      throw .init(.invalidArgument, "manifest, line \(number + 2): the paths are not in the order of their bytes")
    }
    return manifest
  }

  private static let newline = UInt8(ascii: "\n")

  private static func entry(_ line: ArraySlice<UInt8>, number: Int) throws(ArtifactError) -> ManifestEntry {
    let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 3, omittingEmptySubsequences: false)
    guard fields.count == 4 else {
      throw .init(
        .invalidArgument, "manifest, line \(number): '<sha256> <size> <x or -> <path>' is expected, not \(TreePath.quoted(line))")
    }
    guard let digest = Digest(hex: String(decoding: fields[0], as: UTF8.self)) else {
      throw .init(
        .invalidArgument,
        "manifest, line \(number): sha256 is \(TreePath.quoted(fields[0])); 64 hexadecimal digits in lower case are expected")
    }
    let sizeText = String(decoding: fields[1], as: UTF8.self)
    guard let size = Int64(sizeText), size >= 0, String(size) == sizeText else {
      throw .init(
        .invalidArgument, "manifest, line \(number): size is \(TreePath.quoted(fields[1])); a number of bytes is expected")
    }
    guard fields[2].elementsEqual("x".utf8) || fields[2].elementsEqual("-".utf8) else {
      throw .init(
        .invalidArgument, "manifest, line \(number): mode is \(TreePath.quoted(fields[2])); 'x' or '-' is expected")
    }
    if let flaw = TreePath.flaw(in: fields[3]) {
      throw .init(.invalidArgument, "manifest, line \(number): path \(TreePath.quoted(fields[3])) \(flaw)")
    }
    return ManifestEntry(
      path: String(decoding: fields[3], as: UTF8.self), size: size, digest: digest,
      isExecutable: fields[2].elementsEqual("x".utf8))
  }
}
