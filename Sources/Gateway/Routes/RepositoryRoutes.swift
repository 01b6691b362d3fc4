internal import HTTPTypes
internal import HummingbirdCore
internal import Inference
internal import Wire

extension GatewayRoutes {
  /// The repository's index, loads and unloads. (Triton, "Model Repository Extension".)
  package mutating func addRepository(_ control: RepositoryControl) {
    add(.post, "/v2/repository/index", errors: .protocolError) { call in
      let readyOnly = try RepositoryRoutes.readyOnly(try await call.readBody())
      let entries = try control.index(readyOnly)
      return .json(.ok, JSONDocument.list(entries.map(RepositoryRoutes.entry)).bytes)
    }
    add(.post, "/v2/repository/models/{model}/load", errors: .protocolError) { call in
      let parameters = try RepositoryRoutes.parameters(try await call.readBody())
      try await control.load(call.parameter("model"), parameters)
      return Response(status: .ok)
    }
    add(.post, "/v2/repository/models/{model}/unload", errors: .protocolError) { call in
      let parameters = try RepositoryRoutes.parameters(try await call.readBody())
      try await control.unload(call.parameter("model"), parameters)
      return Response(status: .ok)
    }
  }
}

private enum RepositoryRoutes {
  /// Parameters of a load or an unload, at most: a model's files are among them.
  static let maxParameters = 10_000

  static func entry(_ entry: RepositoryControl.Entry) -> JSONDocument {
    .members([
      "name": .string(entry.name), "version": entry.version.isEmpty ? nil : .string(entry.version),
      "state": entry.state.isEmpty ? nil : .string(entry.state),
      "reason": entry.state.isEmpty ? nil : .string(entry.reason),
    ])
  }

  static func readyOnly(_ body: ReceivedBody) throws(InferenceError) -> Bool {
    var ready = false
    try read(body) { scanner, name throws(JSONFault) in
      guard name.equals("ready") else { throw JSONFault("expected 'ready' only", at: scanner.offset) }
      ready = try JSONBool.read(&scanner).value != 0
    }
    return ready
  }

  /// `{"parameters": {"config": "<JSON>", "file:1/model.onnx": "<base64>", "unload_dependents": false}}`
  static func parameters(_ body: ReceivedBody) throws(InferenceError) -> [String: RepositoryParameter] {
    var parameters: [String: RepositoryParameter] = [:]
    try read(body) { scanner, name throws(JSONFault) in
      guard name.equals("parameters") else { throw JSONFault("expected 'parameters' only", at: scanner.offset) }
      try scanner.object { scanner, name throws(JSONFault) in
        guard parameters.count < maxParameters else {
          throw JSONFault("more than the limit of \(maxParameters)", at: scanner.offset)
        }
        let key = name.text
        guard parameters[key] == nil else { throw JSONFault("given twice", at: scanner.offset) }
        parameters[key] = try parameter(key, &scanner)
      }
    }
    return parameters
  }

  private static func parameter(
    _ key: String, _ scanner: inout JSONScanner
  ) throws(JSONFault) -> RepositoryParameter {
    switch scanner.next() {
    case UInt8(ascii: "\""):
      let start = scanner.offset
      let text = try scanner.string()
      guard key.hasPrefix("file:") else { return .string(text.text) }
      guard let bytes = Base64.decode(text.decoded()) else { throw JSONFault("expected base64", at: start) }
      return .bytes(bytes)
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool(try JSONBool.read(&scanner).value != 0)
    default: return .int64(try Int64.read(&scanner))
    }
  }

  /// The members of the body's object; an empty body has none.
  private static func read(
    _ body: ReceivedBody, _ member: (inout JSONScanner, JSONString) throws(JSONFault) -> Void
  ) throws(InferenceError) {
    var scanner = JSONScanner(body.bytes)
    guard scanner.next() != 0 else { return }
    do throws(JSONFault) {
      try scanner.object(member)
      try scanner.expectEnd()
    } catch { throw error.error }
  }
}
