/// A JSON value as a tree, for documents that are put together rather than streamed. Members keep their order.
package indirect enum JSONDocument: Hashable, Sendable {
  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case list([JSONDocument])
  case object([Member])

  package struct Member: Hashable, Sendable {
    package var name: String
    package var value: JSONDocument
  }

  /// Members whose value is nil are left out.
  package static func members(_ members: KeyValuePairs<String, JSONDocument?>) -> JSONDocument {
    .object(members.compactMap { member in member.value.map { Member(name: member.key, value: $0) } })
  }

  package var bytes: [UInt8] {
    var writer = JSONWriter()
    write(to: &writer)
    return writer.bytes
  }

  private func write(to writer: inout JSONWriter) {
    switch self {
    case .null: writer.raw("null")
    case .bool(let value): writer.bool(value)
    case .integer(let value): writer.integer(value)
    case .number(let value): writer.number(value)
    case .string(let text): writer.string(text)
    case .list(let elements):
      writer.byte("[")
      for (index, element) in elements.enumerated() {
        if index > 0 { writer.byte(",") }
        element.write(to: &writer)
      }
      writer.byte("]")
    case .object(let members):
      writer.byte("{")
      for (index, member) in members.enumerated() {
        if index > 0 { writer.byte(",") }
        writer.string(member.name)
        writer.byte(":")
        member.value.write(to: &writer)
      }
      writer.byte("}")
    }
  }
}

extension JSONDocument: ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByDictionaryLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(arrayLiteral elements: JSONDocument...) { self = .list(elements) }
  package init(integerLiteral value: Int64) { self = .integer(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(dictionaryLiteral elements: (String, JSONDocument)...) {
    self = .object(elements.map { Member(name: $0.0, value: $0.1) })
  }
}
