internal import Foundation

/// Any JSON, with whole numbers apart from others so that 64-bit integers keep all their digits.
package indirect enum JSONValue: Hashable, Sendable, Codable {
  case null
  case bool(Bool)
  case int(Int64)
  case uint(UInt64)
  case double(Double)
  /// Written with as few digits as tell it from its neighbours. Never read.
  case float(Float)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// - Throws: `UsageError` with what is wrong and where.
  package init(parsing text: String, from source: String) throws(UsageError) {
    do {
      self = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    } catch {
      throw UsageError("\(source): not JSON: \(JSONValue.fault(in: text))")
    }
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Int64.self) {
      self = .int(value)
    } else if let value = try? container.decode(UInt64.self) {
      self = .uint(value)
    } else if let value = try? container.decode(Double.self) {
      self = .double(value)
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([JSONValue].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: JSONValue].self))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .int(let value): try container.encode(value)
    case .uint(let value): try container.encode(value)
    case .double(let value): try container.encode(value)
    case .float(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }

  /// As text: keys in order, and NaN and the infinities, which JSON has no number for, as strings.
  package func text() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  /// What it is, for error messages.
  package var kind: String {
    switch self {
    case .null: "null"
    case .bool: "true or false"
    case .int, .uint, .double, .float: "a number"
    case .string: "a string"
    case .array: "a list"
    case .object: "an object"
    }
  }

  /// What is wrong with a text that the decoder refused, and where: the decoder itself says neither.
  private static func fault(in text: String) -> String {
    do {
      _ = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
      return "its values can't be read"
    } catch {
      let words = ((error as NSError).userInfo["NSDebugDescription"] as? String ?? "\(error)").split(separator: " ")
      if words.first == "Number", words.count > 1 { return "\(words[1]) is out of range of 64-bit floats" }
      if words.first == "Unexpected" { return "something is missing at its end: \(excerpt(text.suffix(20), of: text))" }
      guard let offset = words.last.flatMap({ Int($0.filter(\.isNumber)) }), offset < text.utf8.count else {
        return words.joined(separator: " ")
      }
      let place = text.utf8.index(text.utf8.startIndex, offsetBy: offset)
      let line = text[..<place].split(separator: "\n", omittingEmptySubsequences: false)
      let column = (line.last?.count ?? 0) + 1
      return "line \(line.count), column \(column): \(excerpt(text[place...].prefix(20), of: text))"
    }
  }

  private static func excerpt(_ part: Substring, of text: String) -> String {
    let before = part.startIndex == text.startIndex ? "" : "…"
    return "'\(before)\(part)\(part.endIndex == text.endIndex ? "" : "…")'"
  }
}
