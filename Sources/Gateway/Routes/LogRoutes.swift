package import Control
internal import HTTPTypes
internal import HummingbirdCore
internal import Inference
internal import Wire

extension GatewayRoutes {
  /// What the server logs. (Triton, "Logging Extension".)
  package mutating func addLogSettings(_ settings: LogSettings) {
    add(.get, "/v2/logging", errors: .protocolError) { _ in .json(.ok, LogRoutes.document(settings.all).bytes) }
    add(.post, "/v2/logging", errors: .protocolError) { call in
      try settings.change(try LogRoutes.changes(try await call.readBody(limit: LogRoutes.maxBodyBytes)))
      return .json(.ok, LogRoutes.document(settings.all).bytes)
    }
  }
}

private enum LogRoutes {
  /// All settings take a few hundred.
  static let maxBodyBytes = 64 << 10

  static func document(_ settings: [String: LogSettingValue]) -> JSONDocument {
    .object(
      LogSettings.names.compactMap { name in
        settings[name].map { JSONDocument.Member(name: name, value: document($0)) }
      })
  }

  private static func document(_ value: LogSettingValue) -> JSONDocument {
    switch value {
    case .bool(let value): .bool(value)
    case .uint32(let value): .integer(Int64(value))
    case .string(let value): .string(value)
    case .unset: .null
    }
  }

  /// `{"log_info": false, "log_verbose_level": 1}`; an empty body changes nothing.
  static func changes(_ body: ReceivedBody) throws(InferenceError) -> [String: LogSettingValue] {
    var changes: [String: LogSettingValue] = [:]
    var scanner = JSONScanner(body.bytes)
    guard scanner.next() != 0 else { return [:] }
    do throws(JSONFault) {
      try scanner.object { scanner, name throws(JSONFault) in
        let name = name.text
        guard changes[name] == nil else { throw JSONFault("given twice", at: scanner.offset) }
        changes[name] = try value(&scanner)
      }
      try scanner.expectEnd()
    } catch { throw error.error }
    return changes
  }

  private static func value(_ scanner: inout JSONScanner) throws(JSONFault) -> LogSettingValue {
    switch scanner.next() {
    case UInt8(ascii: "\""): return .string(try scanner.string().text)
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool(try JSONBool.read(&scanner).value != 0)
    case UInt8(ascii: "n") where scanner.takeWord("null"): return .unset
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .uint32(try UInt32.read(&scanner))
    default: throw scanner.fault("true, false, a whole number or a string")
    }
  }
}
