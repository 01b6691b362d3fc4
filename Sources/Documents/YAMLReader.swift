extension SourceDocument {
  /// Reads one YAML 1.2 document: JSON's kinds of values, anchors and aliases, and merge keys (`<<`).
  ///
  /// An empty text is `null`. A key that is written twice is an error, and so is a second document. The limits hold
  /// while the tree is built, so an alias bomb costs no more than the limit.
  ///
  /// - Throws: `DocumentError` with the line and the column.
  package init(yaml: [UInt8], limits: DocumentLimits = DocumentLimits()) throws(DocumentError) {
    try limits.checkBytes(yaml.count)
    guard String(validating: yaml, as: UTF8.self) != nil else {
      throw DocumentError("not UTF-8", line: YAMLReader.lineOfInvalidByte(yaml))
    }
    var reader = YAMLReader(events: YAMLEvents(yaml), limits: limits)
    self = try reader.document()
  }

  package init(yaml: String, limits: DocumentLimits = DocumentLimits()) throws(DocumentError) {
    try self.init(yaml: Array(yaml.utf8), limits: limits)
  }
}

/// Builds a document from events and stops at the first limit.
internal struct YAMLReader: ~Copyable {
  /// A value with its lines and its size, which its aliases have too.
  struct Built {
    var value: Document
    var lines: SourceLines
    var values: Int
    /// Lists and objects within each other; 0 for a scalar.
    var height: Int
  }

  private var events: YAMLEvents
  private let limits: DocumentLimits
  private var anchors: [String: Built] = [:]
  private var values = 0

  init(events: consuming YAMLEvents, limits: DocumentLimits) {
    self.events = events
    self.limits = limits
  }

  mutating func document() throws(DocumentError) -> SourceDocument {
    guard case .documentStart = try events.next() else { return SourceDocument(.null) }
    let root = try build(try events.next(), depth: 0)
    _ = try events.next()
    guard case .streamEnd = try events.next() else { throw fault("expected one document, got a second") }
    return SourceDocument(root.value, lines: root.lines)
  }

  private mutating func build(_ event: YAMLEvents.Event, depth: Int) throws(DocumentError) -> Built {
    let built: Built
    let name: String?
    switch event {
    case .scalar(let text, let isPlain, let tag, let anchor):
      try count(1)
      built = Built(
        value: try scalar(text, isPlain: isPlain, tag: tag),
        lines: SourceLines(line: events.line, spelling: isPlain ? text : nil), values: 1, height: 0)
      name = anchor
    case .sequenceStart(let tag, let anchor):
      try checkTag(tag, is: "seq")
      built = try sequence(depth: depth + 1)
      name = anchor
    case .mappingStart(let tag, let anchor):
      try checkTag(tag, is: "map")
      built = try mapping(depth: depth + 1)
      name = anchor
    case .alias(let alias):
      guard let target = anchors[alias] else {
        throw fault("*\(alias) stands for nothing: expected the name of an anchor that comes before it")
      }
      try count(target.values)
      try check(depth: depth + target.height)
      // Its parts are told by the line of the alias.
      return Built(
        value: target.value, lines: SourceLines(line: events.line, spelling: target.lines.spelling),
        values: target.values, height: target.height)
    case .end, .documentStart, .documentEnd, .streamEnd: throw fault("expected a value")
    }
    if let name { anchors[name] = built }
    return built
  }

  private mutating func sequence(depth: Int) throws(DocumentError) -> Built {
    try check(depth: depth)
    try count(1)
    var elements: [Document] = []
    var built = Built(value: .null, lines: SourceLines(line: events.line), values: 1, height: 1)
    while true {
      let event = try events.next()
      if case .end = event { break }
      let element = try build(event, depth: depth)
      built.lines[.index(elements.count)] = element.lines
      built.values += element.values
      built.height = max(built.height, element.height + 1)
      elements.append(element.value)
    }
    built.value = .array(elements)
    return built
  }

  private mutating func mapping(depth: Int) throws(DocumentError) -> Built {
    try check(depth: depth)
    try count(1)
    var object = Document.Object()
    var merged: [Built] = []
    var built = Built(value: .null, lines: SourceLines(line: events.line), values: 1, height: 1)
    while true {
      let event = try events.next()
      if case .end = event { break }
      let line = events.line
      let (key, isPlain) = try key(event)
      let value = try build(try events.next(), depth: depth)
      built.values += value.values
      built.height = max(built.height, value.height + 1)
      if key == "<<" && isPlain {
        merged.append(value)
        continue
      }
      guard object[key] == nil else {
        throw DocumentError("the key '\(key)' is given twice", line: line)
      }
      object[key] = value.value
      var lines = value.lines
      lines.setLine(line)
      built.lines[.key(key)] = lines
    }
    for source in merged { try merge(source, into: &object, &built) }
    built.value = .object(object)
    return built
  }

  /// Adds keys of the merged object, or of each of a list of them, that the object does not have: its own win, then the
  /// first in the list. <https://yaml.org/type/merge.html>
  private func merge(_ source: Built, into object: inout Document.Object, _ built: inout Built) throws(DocumentError) {
    let sources: [Document] = source.value.array ?? [source.value]
    for source in sources {
      guard let source = source.object else {
        throw DocumentError("<<: expected an object or a list of objects, got \(source.quoted)", line: built.lines.line)
      }
      for (key, value) in source where object[key] == nil { object[key] = value }
    }
  }

  /// A key is a scalar, or an alias of one; it is taken as it is spelt.
  private func key(_ event: YAMLEvents.Event) throws(DocumentError) -> (String, isPlain: Bool) {
    switch event {
    case .scalar(let text, let isPlain, _, _): return (text, isPlain)
    case .alias(let name):
      if let text = anchors[name]?.value.string { return (text, false) }
    default: break
    }
    throw fault("expected a key that is a string")
  }

  // MARK: - Limits

  private mutating func count(_ more: Int) throws(DocumentError) {
    values += more
    guard values <= limits.maxValues else {
      throw fault(
        "it has more values than maxValues, which is \(limits.maxValues), where an alias counts as all it stands for")
    }
  }

  private func check(depth: Int) throws(DocumentError) {
    guard depth <= limits.maxDepth else {
      throw fault("it is nested deeper than maxDepth, which is \(limits.maxDepth)")
    }
  }

  private func fault(_ message: String) -> DocumentError {
    DocumentError(message, line: events.line, column: events.column)
  }

  static func lineOfInvalidByte(_ bytes: [UInt8]) -> Int {
    // The first replaced character is the first byte that is no UTF-8, unless the text has such characters of its own.
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    return (lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0) + 1
  }
}

// MARK: - Scalars

extension YAMLReader {
  private static let prefix = "tag:yaml.org,2002:"

  private func checkTag(_ tag: String?, is expected: String) throws(DocumentError) {
    guard tag == nil || tag == "!" || tag == Self.prefix + expected else {
      throw fault("the tag \(tag ?? "") has no meaning here")
    }
  }

  /// A scalar's value: what its tag says, else what its spelling says if it stands there without quotes.
  private func scalar(_ text: String, isPlain: Bool, tag: String?) throws(DocumentError) -> Document {
    guard let tag, tag != "!" else { return isPlain && tag == nil ? Self.resolve(text) : .string(text) }
    let value = Self.resolve(text)
    switch (tag.hasPrefix(Self.prefix) ? String(tag.dropFirst(Self.prefix.count)) : tag, value) {
    case ("str", _): return .string(text)
    case ("int", .int), ("bool", .bool), ("null", .null), ("float", .double): return value
    case ("float", .int(let number)): return .double(Double(number))
    case ("int", _), ("bool", _), ("null", _), ("float", _): throw fault("'\(text)' is not what its tag \(tag) says")
    default: throw fault("the tag \(tag) has no meaning here")
    }
  }

  /// The core schema of YAML 1.2.2 §10.3.2: `yes`, `no`, `on` and `off` are strings.
  internal static func resolve(_ text: String) -> Document {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE": return .bool(true)
    case "false", "False", "FALSE": return .bool(false)
    case ".nan", ".NaN", ".NAN": return .double(.nan)
    case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": return .double(.infinity)
    case "-.inf", "-.Inf", "-.INF": return .double(-.infinity)
    default: break
    }
    guard let first = text.utf8.first, first < 0x3A, "+-.0123456789".utf8.contains(first) else { return .string(text) }
    if text.hasPrefix("0x"), text.dropFirst(2).allSatisfy(\.isHexDigit) {
      return Int(text.dropFirst(2), radix: 16).map { .int($0) } ?? .string(text)
    }
    if text.hasPrefix("0o"), text.dropFirst(2).allSatisfy(\.isHexDigit) {
      return Int(text.dropFirst(2), radix: 8).map { .int($0) } ?? .string(text)
    }
    if let value = Int(text) { return .int(value) }
    let isNumber = text.utf8.allSatisfy { "+-.eE0123456789".utf8.contains($0) }
    // At least one digit: '.', '-' and 'e' alone are strings, which `Double` refuses as well.
    guard isNumber, let value = Double(text) else { return .string(text) }
    return .double(value)
  }
}
