internal import Documents

/// What is the same for all parts of one document that is being read.
internal final class ReadingContext {
  /// Most findings of one document: a person mends a few, and a hostile file has a hundred thousand.
  static let maxFindings = 100

  let form: Form
  let lines: SourceLines
  /// Absolute.
  let folder: String
  /// From the URL.
  let names: [String]
  private(set) var findings: [Finding] = []

  init(form: Form, lines: SourceLines, folder: String, names: [String]) {
    self.form = form
    self.lines = lines
    self.folder = folder
    self.names = names
  }

  var isFull: Bool { findings.count > Self.maxFindings }

  func note(_ severity: Finding.Severity, at path: DocumentPath, _ message: String) {
    guard !isFull else { return }
    guard findings.count < Self.maxFindings else {
      findings.append(Finding(.error, at: "", "there is more to say; the first \(Self.maxFindings) are told"))
      return
    }
    findings.append(Finding(severity, at: path.description, line: lines.line(of: path), message))
  }
}

/// One object of a document, read key by key. What isn't asked for by the end is unknown, which is an error.
///
/// Keys are asked for in the spelling of files; the reader knows the other one. A key without a value (`null`) isn't
/// there.
package final class FieldReader {
  /// Most entries of a map or of a list.
  internal static let maxEntries = 1000

  internal let context: ReadingContext
  internal let path: DocumentPath
  internal let object: Document.Object
  /// In the form's spelling, in the order they were asked for.
  private var known: [String] = []
  private var ignored: Set<String> = []

  internal init(_ document: Document, at path: DocumentPath, context: ReadingContext) {
    self.context = context
    self.path = path
    object = document.object ?? Document.Object()
    if document.object == nil { context.note(.error, at: path, "expected an object, got \(document.quoted)") }
  }

  internal var form: Form { context.form }
  /// Whether this is the whole document, and no part of it.
  internal var isRoot: Bool { path.steps.isEmpty }

  internal func spelling(_ key: String, rest: String?) -> String { form == .cli ? key : rest ?? camelCase(key) }

  internal func place(_ key: String, rest: String? = nil) -> DocumentPath { path.appending(spelling(key, rest: rest)) }

  /// The value at a key, if there is one.
  internal func value(_ key: String, rest: String? = nil) -> Document? {
    let key = spelling(key, rest: rest)
    if !known.contains(key) { known.append(key) }
    guard let value = object[key], value != .null else { return nil }
    return value
  }

  internal func has(_ key: String, rest: String? = nil) -> Bool { value(key, rest: rest) != nil }

  /// Names keys, in the form's spelling, that are accepted and have no meaning here.
  internal func ignore(_ keys: String...) { ignored.formUnion(keys) }

  internal func fault(_ key: String, rest: String? = nil, _ message: String) {
    context.note(.error, at: place(key, rest: rest), message)
  }

  internal func warn(_ key: String, rest: String? = nil, _ message: String) {
    context.note(.warning, at: place(key, rest: rest), message)
  }

  /// Notes that a value is not of its kind.
  internal func expect(_ expected: String, _ key: String, rest: String?, got value: Document) {
    fault(key, rest: rest, "expected \(expected), got \(value.quoted)")
  }

  /// Says which keys have no meaning. Call it once all are asked for.
  internal func finish() {
    for (key, _) in object where !known.contains(key) && !ignored.contains(key) {
      guard !context.isFull else { return }
      let nearest =
        NearestName.of(key, in: known).map { ". Did you mean '\($0)'?" }
        ?? ", expected one of: \(known.joined(separator: ", "))"
      context.note(.error, at: path.appending(key), "unknown key\(nearest)")
    }
  }
}

// MARK: - Values

extension FieldReader {
  internal func string(_ key: String, rest: String? = nil) -> String? {
    guard let value = value(key, rest: rest) else { return nil }
    if let string = value.string { return string }
    expect("a string", key, rest: rest, got: value)
    return nil
  }

  /// A string where a number is a string too, as it is spelt: `version: 1.10`.
  internal func text(_ key: String, rest: String? = nil) -> String? {
    guard let value = value(key, rest: rest) else { return nil }
    if let text = text(of: value, at: place(key, rest: rest)) { return text }
    expect("a string", key, rest: rest, got: value)
    return nil
  }

  private func text(of value: Document, at place: DocumentPath) -> String? {
    switch value {
    case .string(let text): text
    case .int, .double, .bool: context.lines.spelling(at: place) ?? value.json()
    case .null, .array, .object: nil
    }
  }

  internal func int(_ key: String, rest: String? = nil, in range: ClosedRange<Int>) -> Int? {
    guard let value = value(key, rest: rest) else { return nil }
    if let int = value.int, range.contains(int) { return int }
    expect(Self.words(range), key, rest: rest, got: value)
    return nil
  }

  internal static func words(_ range: ClosedRange<Int>, unit: String = "") -> String {
    "a whole number\(unit) of \(range.lowerBound) \(range.upperBound == .max ? "or more" : "to \(range.upperBound)")"
  }

  internal func double(_ key: String, rest: String? = nil, in range: ClosedRange<Double>? = nil) -> Double? {
    guard let value = value(key, rest: rest) else { return nil }
    if let double = value.double, double.isFinite, range?.contains(double) ?? true { return double }
    expect(range.map { "a number of \($0.lowerBound) to \($0.upperBound)" } ?? "a number", key, rest: rest, got: value)
    return nil
  }

  /// True or false, also in the words that YAML 1.1 had for them and in quotes.
  internal func bool(_ key: String, rest: String? = nil) -> Bool? {
    guard let value = value(key, rest: rest) else { return nil }
    switch value {
    case .bool(let bool): return bool
    case .string(let word) where ["true", "yes", "on"].contains(word.lowercased()): return true
    case .string(let word) where ["false", "no", "off"].contains(word.lowercased()): return false
    default:
      expect("true or false", key, rest: rest, got: value)
      return nil
    }
  }

  internal func choice<Word: Spelled>(_ key: String, rest: String? = nil, of type: Word.Type = Word.self) -> Word? {
    guard let value = value(key, rest: rest) else { return nil }
    if let word = value.string.flatMap(Word.init(tolerant:)) { return word }
    let words = Word.allCases.map { $0.spelling(in: form) }
    let list =
      words.count == 1
      ? "'\(words[0])'" : words.dropLast().map { "'\($0)'" }.joined(separator: ", ") + " or '\(words[words.count - 1])'"
    let nearest = value.string.flatMap { NearestName.of($0, in: words) }.map { ". Did you mean '\($0)'?" } ?? ""
    fault(key, rest: rest, "expected \(list), got \(value.quoted)\(nearest)")
    return nil
  }

  /// A map of strings, where numbers and truth values are strings as they are spelt.
  internal func strings(_ key: String, rest: String? = nil) -> [String: String] {
    var strings: [String: String] = [:]
    for (name, value, place) in entries(key, rest: rest) {
      if value == .null {
        strings[name] = ""
      } else if let text = text(of: value, at: place) {
        strings[name] = text
      } else {
        context.note(.error, at: place, "expected a string, got \(value.quoted)")
      }
    }
    return strings
  }

  /// The entries of a map, with their places.
  internal func entries(_ key: String, rest: String? = nil) -> [(key: String, value: Document, place: DocumentPath)] {
    guard let value = value(key, rest: rest) else { return [] }
    guard let object = value.object else {
      expect("an object", key, rest: rest, got: value)
      return []
    }
    guard object.count <= Self.maxEntries else {
      fault(key, rest: rest, "expected at most \(Self.maxEntries) entries, got \(object.count)")
      return []
    }
    let place = place(key, rest: rest)
    return object.map { ($0.key, $0.value, place.appending($0.key)) }
  }

  /// The elements of a list, with their places.
  internal func elements(
    _ key: String, rest: String? = nil, max: Int = FieldReader.maxEntries
  ) -> [(value: Document, place: DocumentPath)] {
    guard let value = value(key, rest: rest) else { return [] }
    guard let array = value.array else {
      expect("a list", key, rest: rest, got: value)
      return []
    }
    guard array.count <= max else {
      fault(key, rest: rest, "expected at most \(max) elements, got \(array.count)")
      return []
    }
    let place = place(key, rest: rest)
    return array.enumerated().map { ($0.element, place.appending($0.offset)) }
  }

  /// A list of strings.
  internal func list(_ key: String, rest: String? = nil) -> [String] {
    elements(key, rest: rest).compactMap { value, place in
      if value.string == nil { context.note(.error, at: place, "expected a string, got \(value.quoted)") }
      return value.string
    }
  }

  /// An object within this one. `body` asks for its keys; the rest are unknown.
  internal func object<Value>(_ key: String, rest: String? = nil, _ body: (FieldReader) -> Value) -> Value? {
    guard let value = value(key, rest: rest) else { return nil }
    guard value.object != nil else {
      expect("an object", key, rest: rest, got: value)
      return nil
    }
    return part(value, at: place(key, rest: rest), body)
  }

  internal func part<Value>(_ document: Document, at place: DocumentPath, _ body: (FieldReader) -> Value) -> Value {
    let fields = FieldReader(document, at: place, context: context)
    defer { fields.finish() }
    return body(fields)
  }
}

// MARK: - Times and paths

extension FieldReader {
  /// Milliseconds in files (`…_ms`), an ISO 8601 duration in REST.
  internal func milliseconds(_ key: String, rest: String, in range: ClosedRange<Int>) -> Int? {
    guard form == .rest else { return int(key, in: range) }
    guard let value = value(key, rest: rest) else { return nil }
    if let time = value.string.flatMap(ISODuration.milliseconds), range.contains(time) { return time }
    expect(
      "an ISO 8601 duration of \(ISODuration.text(range.lowerBound)) to \(ISODuration.text(range.upperBound))", key,
      rest: rest,
      got: value)
    return nil
  }

  /// Whole seconds in files, an ISO 8601 duration in REST.
  internal func seconds(_ key: String, rest: String? = nil, in range: ClosedRange<Int>) -> Int? {
    guard form == .rest else { return int(key, in: range) }
    guard let value = value(key, rest: rest) else { return nil }
    if let time = value.string.flatMap(ISODuration.milliseconds), time % 1000 == 0, range.contains(time / 1000) {
      return time / 1000
    }
    expect(
      "an ISO 8601 duration of whole seconds, \(ISODuration.text(range.lowerBound * 1000)) to "
        + ISODuration.text(range.upperBound * 1000), key, rest: rest, got: value)
    return nil
  }

  /// A local path, made absolute.
  internal func localPath(_ key: String, rest: String? = nil) -> String? {
    guard let path = string(key, rest: rest) else { return nil }
    guard !path.isEmpty, !path.utf8.contains(0) else {
      fault(key, rest: rest, "expected a path, got \(Document.string(path).quoted)")
      return nil
    }
    return LocalPath.absolute(path, in: context.folder)
  }

  /// A path that is relative to a folder and stays in it.
  internal func pathWithin(_ folder: String, _ key: String, rest: String? = nil) -> String? {
    guard let path = string(key, rest: rest) else { return nil }
    guard LocalPath.staysWithin(path) else {
      fault(key, rest: rest, "expected a path relative to \(folder) that stays in it, got \(Document.string(path).quoted)")
      return nil
    }
    return path
  }
}
