internal import Documents

/// One object of a document that is being written, key by key, in either form. What has no value is left out.
package struct FieldWriter {
  internal let form: Form
  internal let status: ResourceStatus?
  /// Whether this is the whole document, and no part of it.
  internal let isRoot: Bool
  internal private(set) var object = Document.Object()

  internal init(form: Form, status: ResourceStatus? = nil, isRoot: Bool = true) {
    self.form = form
    self.status = status
    self.isRoot = isRoot
  }

  internal mutating func put(_ key: String, rest: String? = nil, _ value: Document?) {
    object[form == .cli ? key : rest ?? camelCase(key)] = value
  }

  internal mutating func put(_ key: String, rest: String? = nil, _ value: String?) {
    put(key, rest: rest, value.map { .string($0) })
  }
  internal mutating func put(_ key: String, rest: String? = nil, _ value: Int?) {
    put(key, rest: rest, value.map { .int($0) })
  }
  internal mutating func put(_ key: String, rest: String? = nil, _ value: Bool?) {
    put(key, rest: rest, value.map { .bool($0) })
  }

  internal mutating func put<Word: Spelled>(_ key: String, rest: String? = nil, word: Word?) {
    put(key, rest: rest, word?.spelling(in: form))
  }

  internal mutating func put(_ key: String, rest: String? = nil, strings: [String: String]) {
    guard !strings.isEmpty else { return }
    var object = Document.Object()
    for (name, value) in strings.sorted(by: { $0.key < $1.key }) { object[name] = .string(value) }
    put(key, rest: rest, .object(object))
  }

  internal mutating func put(_ key: String, milliseconds: Int?, rest: String) {
    put(key, rest: rest, milliseconds.map { form == .cli ? .int($0) : .string(ISODuration.text($0)) })
  }

  internal mutating func put(_ key: String, rest: String? = nil, seconds: Int?) {
    put(key, rest: rest, seconds.map { form == .cli ? .int($0) : .string(ISODuration.text($0 * 1000)) })
  }

  /// An object within this one, left out if nothing is in it.
  internal mutating func put(
    _ key: String, rest: String? = nil, keepsEmpty: Bool = false, _ body: (inout FieldWriter) -> Void
  ) {
    let part = Self.part(form: form, status: status, body)
    if keepsEmpty || !part.isEmpty { put(key, rest: rest, .object(part)) }
  }

  internal static func part(form: Form, status: ResourceStatus? = nil, _ body: (inout FieldWriter) -> Void)
    -> Document.Object
  {
    var fields = FieldWriter(form: form, status: status, isRoot: false)
    body(&fields)
    return fields.object
  }

  /// What REST has under `properties` and files have beside everything else.
  internal mutating func properties(_ body: (inout FieldWriter) -> Void) {
    if form == .rest { put("properties", keepsEmpty: true, body) } else { body(&self) }
  }
}
