internal import ApusClient
internal import Foundation

/// One place in a JSON document, with the path that error messages name.
struct JSONReader {
  let value: JSONValue
  let path: String

  init(_ value: JSONValue, at path: String) {
    self.value = value
    self.path = path
  }

  /// Nil if it is no object, or has no such member.
  func member(_ name: String) -> JSONReader? {
    guard case .object(let members) = value, let member = members[name] else { return nil }
    return JSONReader(member, at: "\(path): \(name)".replacingOccurrences(of: "]: ", with: "]."))
  }

  func required(_ name: String) throws(UsageError) -> JSONReader {
    guard case .object = value else { throw UsageError("\(path): expected an object, found \(value.kind)") }
    guard let member = member(name) else { throw UsageError("\(path): '\(name)' is missing") }
    return member
  }

  func string(_ name: String) throws(UsageError) -> String {
    let member = try required(name)
    guard case .string(let text) = member.value else { throw member.expected("a string") }
    return text
  }

  func optionalString(_ name: String) throws(UsageError) -> String? {
    member(name) == nil ? nil : try string(name)
  }

  func list(_ name: String) throws(UsageError) -> [JSONReader] {
    let member = try required(name)
    guard case .array(let elements) = member.value else { throw member.expected("a list") }
    return elements.enumerated().map { JSONReader($1, at: "\(member.path)[\($0)]") }
  }

  func optionalList(_ name: String) throws(UsageError) -> [JSONReader] {
    member(name) == nil ? [] : try list(name)
  }

  func integers(_ name: String) throws(UsageError) -> [Int64] {
    var numbers: [Int64] = []
    for element in try list(name) {
      guard case .int(let number) = element.value, number >= 0 else { throw element.expected("a length, 0 or more") }
      numbers.append(number)
    }
    return numbers
  }

  /// The member `parameters`, each a bool, a number or a string.
  func parameters() throws(UsageError) -> [String: Parameter] {
    guard let member = member("parameters") else { return [:] }
    guard case .object(let members) = member.value else { throw member.expected("an object") }
    var parameters: [String: Parameter] = [:]
    for (name, value) in members {
      switch value {
      case .bool(let value): parameters[name] = .bool(value)
      case .int(let value): parameters[name] = .int64(value)
      case .uint(let value): parameters[name] = .uint64(value)
      case .double(let value): parameters[name] = .double(value)
      case .string(let value): parameters[name] = .string(value)
      case .null, .float, .array, .object:
        throw UsageError("\(member.path).\(name): expected true, false, a number or a string, found \(value.kind)")
      }
    }
    return parameters
  }

  private func expected(_ what: String) -> UsageError {
    UsageError("\(path): expected \(what), found \(value.kind)")
  }
}

func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }
