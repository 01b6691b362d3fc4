internal import Foundation

extension QueryValue {
  /// Nil if the text is not JSON.
  init?(json: String) {
    guard let value = try? JSONDecoder().decode(Decoded.self, from: Data(json.utf8)) else { return nil }
    self = value.value
  }

  private struct Decoded: Decodable {
    let value: QueryValue
    init(from decoder: any Decoder) throws {
      let box = try decoder.singleValueContainer()
      if box.decodeNil() { value = .null }
      else if let x = try? box.decode(Bool.self) { value = .bool(x) }
      else if let x = try? box.decode(Int64.self) { value = .integer(x) }
      else if let x = try? box.decode(Double.self) { value = .number(x) }
      else if let x = try? box.decode(String.self) { value = .string(x) }
      else if let x = try? box.decode([Decoded].self) { value = .list(x.map(\.value)) }
      else {
        let members = try box.decode([String: Decoded].self)
        value = .object(members.sorted { $0.key < $1.key }.map { Member(name: $0.key, value: $0.value.value) })
      }
    }
  }

  /// The number that a text is; null if it is none.
  init(number text: String) { self = Int64(text).map { .integer($0) } ?? Double(text).map { .number($0) } ?? .null }

  /// As JSON without spaces.
  var json: String {
    switch self {
    case .null, .expression: "null"
    case .bool(let value): "\(value)"
    case .integer(let value): "\(value)"
    case .number(let value): "\(value)"
    case .string(let value): QueryValue.quoted(value)
    case .list(let elements): "[\(elements.map(\.json).joined(separator: ","))]"
    case .object(let members):
      "{\(members.map { "\(QueryValue.quoted($0.name)):\($0.value.json)" }.joined(separator: ","))}"
    }
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case "\r": quoted += "\\r"
      case "\t": quoted += "\\t"
      case "\u{0}"..."\u{1F}": quoted += String(format: "\\u%04x", scalar.value)
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}
