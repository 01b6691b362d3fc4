internal import GRPC
package import HTTPTypes
package import HummingbirdCore
internal import Inference
internal import NIOCore

/// One HTTP request on its way through the gateway.
package struct GatewayCall: Sendable {
  package let head: HTTPRequest
  /// Without the query, not decoded.
  package let path: Substring
  /// What the route's `{names}` stand for, decoded.
  package let parameters: [String: String]
  /// After the `?`, not decoded; empty without one.
  package let query: Substring
  package let planes: Set<GatewayListener.Plane>
  /// The server's own number of this request: `x-request-id`.
  package let id: String
  let body: RequestBody
  let watch: ConnectionWatch?
  let memory: CallMemory
  let limits: GatewayLimits

  package var method: HTTPRequest.Method { head.method }

  /// Who the client is by its certificate, in the text form of a principal; empty: nobody knows. A page in a browser is not
  /// whom the browser's certificate names: the browser would show it for the page of anybody.
  package var certificate: String { header(.origin) == nil ? watch?.certificate ?? "" : "" }

  /// Whether it came in by an address of the operator's own network.
  package var isPrivate: Bool { planes.contains(.privateData) }

  package func header(_ name: HTTPField.Name) -> String? { head.headerFields[name] }

  package func parameter(_ name: String) -> String { parameters[name] ?? "" }

  /// The first value of a query parameter, decoded.
  package func queryValue(_ name: String) -> String? {
    for pair in query.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts[0] == name { return URLText.decoded(parts.count > 1 ? parts[1] : "") }
    }
    return nil
  }

  /// The media type of the body in lower case, without its parameters; empty if the request has none.
  package var contentType: String {
    (header(.contentType) ?? "").prefix { $0 != ";" }.trimmed.lowercased()
  }

  // MARK: - The body

  /// The body in parts as they come. The caller bounds what it keeps.
  package var bodyParts: RequestBody { body }

  /// The whole body, decompressed if `Content-Encoding` says gzip or deflate.
  ///
  /// - Throws: `HTTPFailure` 413 past the limit, 408 past the time, 400 if it is cut short or not what its encoding
  ///   says, 415 for another encoding; `InferenceError` `.resourceExhausted` if all bodies together are past theirs.
  package func readBody(limit: Int? = nil) async throws -> ReceivedBody {
    let limit = min(limit ?? limits.maxBodyBytes, limits.maxBodyBytes)
    let length = header(.contentLength).flatMap { Int($0) }
    if let length, length > limit { throw tooLarge(limit) }
    let encoding = try encoding()
    let received = ReceivedBody(expecting: min(length ?? 0, GatewayCall.largestPromise))
    do {
      for try await part in body {
        guard part.readableBytes <= limit - received.bytes.count else { throw tooLarge(limit) }
        try memory.reserve(part.readableBytes)
        part.withUnsafeReadableBytes { received.append($0) }
      }
    } catch is ConnectionGuard.SlowBody {
      throw HTTPFailure(
        .requestTimeout,
        "\(received.bytes.count) bytes of the body came in \(limits.bodyTimeout); all of it has to come in that time")
    }
    guard watch?.hasEndedBody ?? true, length.map({ $0 == received.bytes.count }) ?? true else {
      throw HTTPFailure(.badRequest, "the body ends after \(received.bytes.count) bytes, before it is complete")
    }
    guard encoding != .identity else { return received }
    return try decompress(received, encoding, limit)
  }

  /// Memory that is taken on a client's word alone, before the bytes are there.
  private static let largestPromise = 1 << 20

  private func tooLarge(_ limit: Int) -> HTTPFailure {
    watch?.closeAfterResponse()
    return HTTPFailure(.contentTooLarge, "the body is larger than the limit of \(limit) bytes")
  }

  private func encoding() throws -> MessageEncoding {
    let name = (header(.contentEncoding) ?? "identity").trimmed.lowercased()
    let bytes = Array(name.utf8)
    guard let encoding = bytes.withUnsafeBytes({ MessageEncoding(name: $0) }) else {
      throw HTTPFailure(
        .unsupportedMediaType, "Content-Encoding is '\(name)': expected gzip, deflate or identity",
        headers: [.acceptEncoding: "gzip, deflate"])
    }
    return encoding
  }

  private func decompress(
    _ received: ReceivedBody, _ encoding: MessageEncoding, _ limit: Int
  ) throws -> ReceivedBody {
    let bytes: [UInt8]
    do throws(MessageEncoding.DecompressionError) {
      bytes = try encoding.decompress(received.bytes, limit: limit)
    } catch {
      switch error {
      case .tooLarge:
        throw HTTPFailure(.contentTooLarge, "the body is larger than the limit of \(limit) bytes when decompressed")
      case .corrupt:
        throw HTTPFailure(.badRequest, "the body is not \(encoding.name), which Content-Encoding says it is")
      }
    }
    try memory.reserve(bytes.count)
    let plain = ReceivedBody(expecting: bytes.count)
    bytes.withUnsafeBytes { plain.append($0) }
    return plain
  }
}
