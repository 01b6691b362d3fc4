package import Control
internal import Documents
internal import HTTPTypes
internal import HummingbirdCore
internal import NIOCore

/// The control plane over HTTP, by Azure's addresses and by short ones:
///
/// ```
/// /subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.MachineLearningServices/workspaces/{w}/…
/// /workspaces/{w}/…
/// /login
/// ```
package struct ControlRoutes: Sendable {
  /// Longest JSON body of a request: a manifest of a hundred thousand files fits.
  private static let maxBodyBytes = 32 << 20
  private static let provider = "/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.MachineLearningServices"

  private let plane: ControlPlane
  /// What scoring addresses begin with; nil: the host that the caller has reached, at one of `scoringPorts`.
  private let scoringAddress: String?
  private let scoringPorts: @Sendable () -> ScoringPorts

  /// Where scoring is served over HTTP; nil: nowhere.
  package struct ScoringPorts: Sendable {
    package var open: Int?
    /// Endpoints without public network access.
    package var inside: Int?

    package init() {}
  }

  package init(_ plane: ControlPlane, scoringAddress: String?, scoringPorts: @escaping @Sendable () -> ScoringPorts) {
    self.plane = plane
    self.scoringAddress = scoringAddress
    self.scoringPorts = scoringPorts
  }

  /// Adds the control plane to what a gateway serves on its control listeners.
  package func add(to routes: inout GatewayRoutes) {
    let methods: [(HTTPRequest.Method, ControlRequest.Method)] = [
      (.get, .get), (.put, .put), (.patch, .patch), (.post, .post), (.delete, .delete),
    ]
    for prefix in [ControlRoutes.provider, ""] {
      for (http, method) in methods {
        routes.add(http, "\(prefix)/workspaces/{w}/{path...}", planes: [.control], errors: .resource) { call in
          await answer { try await handle(call, method) }
        }
      }
      routes.add(
        .patch, "\(prefix)/workspaces/{w}/uploads/{upload}/blobs/{sha256}", planes: [.control], errors: .resource
      ) { call in await answer { try await append(call) } }
      let version = "\(prefix)/workspaces/{w}/models/{model}/versions/{version}"
      routes.add(.get, "\(version)/manifest", planes: [.control], errors: .resource) { call in
        await answer { try await manifest(call) }
      }
      routes.add(.get, "\(version)/files/{file...}", planes: [.control], errors: .resource) { call in
        await answer { try await file(call) }
      }
    }
    routes.add(.post, "/login", planes: [.control], errors: .resource) { call in await answer { try await login(call) } }
  }

  // MARK: - Resources

  private func handle(_ call: GatewayCall, _ method: ControlRequest.Method) async throws -> Response {
    try await handle(call, try await request(call, method))
  }

  private func handle(_ call: GatewayCall, _ request: ControlRequest) async throws -> Response {
    var request = request
    let bytes = try await ControlRoutes.bytes(of: call, limit: ControlRoutes.maxBodyBytes)
    if !bytes.isEmpty {
      do throws(DocumentError) {
        request.body = try Document(json: bytes, limits: DocumentLimits(maxBytes: ControlRoutes.maxBodyBytes))
      } catch { throw ControlError(.badArgument, "the body is not JSON: \(error)") }
    }
    let result = try await plane.handle(request)
    var headers: HTTPFields = [:]
    if let etag = result.etag { headers[.eTag] = "\"\(etag)\"" }
    if let operation = result.operation {
      let address = request.baseAddress + plane.address(ofOperation: operation)
      headers[.location] = address
      headers[ControlRoutes.asyncOperation] = address
    }
    if let seconds = result.retryAfterSeconds { headers[.retryAfter] = "\(seconds)" }
    for warning in result.warnings {
      headers.append(HTTPField(name: ControlRoutes.warning, value: ControlRoutes.warningValue(warning)))
    }
    return ControlRoutes.response(HTTPResponse.Status(code: result.status), result.body, headers)
  }

  private func request(
    _ call: GatewayCall, _ method: ControlRequest.Method, path: [String]? = nil
  ) async throws -> ControlRequest {
    let workspace = call.parameter("w")
    guard workspace == plane.options.workspace else {
      throw ControlError(
        .notFound, "there is no workspace '\(workspace.prefix(64))' here: this server's is '\(plane.options.workspace)'")
    }
    let base = call.baseAddress
    let ports = scoringPorts()
    return ControlRequest(
      method: method, path: try path ?? ControlRoutes.path(call.parameter("path")), query: call.allQueryValues,
      ifMatch: call.header(.ifMatch), ifNoneMatch: call.header(.ifNoneMatch),
      principal: try await plane.authenticate(authorization: call.header(.authorization), certificate: call.certificate),
      baseAddress: base, scoringAddress: scoringAddress ?? call.address(port: ports.open) ?? base,
      privateScoringAddress: call.address(port: ports.inside))
  }

  private static func bytes(of call: GatewayCall, limit: Int) async throws -> [UInt8] {
    let body = try await call.readBody(limit: limit)
    return withExtendedLifetime(body) { Array(body.bytes) }
  }

  private static func path(_ text: String) throws(ControlError) -> [String] {
    var path: [String] = []
    for segment in text.split(separator: "/") {
      guard let decoded = URLText.decoded(segment) else { throw ControlError(.badArgument, "'\(segment)' is not percent-encoded UTF-8") }
      path.append(decoded)
    }
    return path
  }

  // MARK: - Signing in

  private func login(_ call: GatewayCall) async throws -> Response {
    let bytes = try await ControlRoutes.bytes(of: call, limit: 4096)
    guard let secret = (try? Document(json: bytes))?["secret"]?.string else {
      throw ControlError(.badArgument, "secret is missing: expected {\"secret\": \"…\"}")
    }
    let (principal, token) = try await plane.login(secret)
    return ControlRoutes.response(.ok, ["principal": .string(principal), "token": .string(token)], [.cacheControl: "no-store"])
  }

  // MARK: - Uploads

  /// Adds what comes to a blob, part by part: no more of it is in memory than one part.
  private func append(_ call: GatewayCall) async throws -> Response {
    let (upload, sha256) = (call.parameter("upload"), call.parameter("sha256"))
    try await plane.checkUpload(upload, try await request(call, .patch))
    var place = try ControlRoutes.start(of: call.header(.contentRange))
    var stored = place
    for try await var part in call.bodyParts {
      while let bytes = part.readBytes(length: min(part.readableBytes, 1 << 20)), !bytes.isEmpty {
        // Of a blob that is whole already, since somebody else has sent it, nothing more is wanted.
        if stored <= place { stored = try await plane.append(bytes, toBlob: sha256, at: place, ofUpload: upload) }
        place += Int64(bytes.count)
      }
    }
    return ControlRoutes.response(.ok, ["offset": .int(Int(stored))], [:])
  }

  /// The first byte that `Content-Range: bytes 0-99/100` names. Source: RFC 9110, section 14.4.
  private static func start(of range: String?) throws(ControlError) -> Int64 {
    guard let range else { return 0 }
    let parts = range.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0] == "bytes", let start = parts[1].split(separator: "-").first.flatMap({ Int64($0) }), start >= 0
    else { throw ControlError(.badArgument, "Content-Range is '\(range.prefix(64))': expected 'bytes <first>-<last>/<size>'") }
    return start
  }

  // MARK: - Files of models

  private func manifest(_ call: GatewayCall) async throws -> Response {
    let request = try await request(call, .get, path: [])
    let text = try await plane.modelManifest(call.parameter("model"), call.parameter("version"), request)
    return Response(
      status: .ok, headers: [.contentType: "application/jsonl; charset=utf-8"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: text)))
  }

  /// Sends a file piece by piece: no more of it is in memory than one. Without a path: the list of files.
  private func file(_ call: GatewayCall) async throws -> Response {
    let (model, version) = (call.parameter("model"), call.parameter("version"))
    let path = try ControlRoutes.path(call.parameter("file"))
    guard !path.isEmpty else {
      return try await handle(call, try await request(call, .get, path: ["models", model, "versions", version, "files"]))
    }
    let request = try await request(call, .get, path: [])
    let reading = try await plane.modelFile(model, version, path: path.joined(separator: "/"), request)
    return Response(
      status: .ok, headers: [.contentType: "application/octet-stream", .eTag: "\"\(reading.sha256)\""],
      body: ResponseBody(contentLength: Int(reading.size)) { writer in
        while case let piece = try await reading.next(), !piece.isEmpty { try await writer.write(ByteBuffer(bytes: piece)) }
        try await writer.finish(nil)
      })
  }

  // MARK: - Answers

  private static let asyncOperation = HTTPField.Name("Azure-AsyncOperation")!
  private static let warning = HTTPField.Name("Warning")!

  /// Source: RFC 7234, section 5.5: 199 is a miscellaneous warning; the text is a quoted string.
  private static func warningValue(_ text: String) -> String {
    let plain = text.unicodeScalars.map { $0.isASCII && $0.value >= 32 && $0.value != 127 ? Character($0) : " " }
    return "199 apus \"" + String(plain).replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }

  private static func response(_ status: HTTPResponse.Status, _ body: Document?, _ headers: HTTPFields) -> Response {
    var headers = headers
    guard let body else { return Response(status: status, headers: headers) }
    let bytes = Array(body.json().utf8)
    headers[.contentType] = "application/json; charset=utf-8"
    return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
  }

  private func answer(_ body: () async throws -> Response) async -> Response {
    do { return try await body() } catch let error as ControlError {
      return ControlRoutes.response(error)
    } catch let failure as HTTPFailure {
      let code: ControlError.Code = failure.status == .contentTooLarge ? .tooLarge : .badArgument
      var response = ControlRoutes.response(ControlError(code, failure.message))
      response.status = failure.status
      return response
    } catch {
      return ControlRoutes.response(ControlError(.internalError, "\(error)"))
    }
  }

  /// The error as Azure Resource Manager writes it.
  private static func response(_ error: ControlError) -> Response {
    var headers: HTTPFields = [:]
    if error.code == .unauthenticated { headers[.wwwAuthenticate] = "Bearer" }
    if error.code == .tooManyRequests || error.code == .unavailable { headers[.retryAfter] = "1" }
    let details = error.details.map { detail -> Document in ["code": .string(error.code.rawValue), "message": .string(detail)] }
    let body: Document = [
      "error": ["code": .string(error.code.rawValue), "message": .string(error.message), "details": .array(details)]
    ]
    return response(error.code.status, body, headers)
  }
}

extension ControlError.Code {
  /// The one place where an error of the control plane becomes an HTTP status.
  fileprivate var status: HTTPResponse.Status {
    switch self {
    case .badArgument: .badRequest
    case .unauthenticated: .unauthorized
    case .forbidden: .forbidden
    case .notFound: .notFound
    case .methodNotAllowed: .methodNotAllowed
    case .alreadyExists, .conflict, .resourceNotReady, .operationCanceled: .conflict
    case .preconditionFailed: .preconditionFailed
    case .outOfQuota: .badRequest
    case .tooLarge: .contentTooLarge
    case .tooManyRequests: .tooManyRequests
    case .storageFull: HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
    case .unavailable: .serviceUnavailable
    case .notImplemented: .notImplemented
    case .internalError: .internalServerError
    }
  }
}

extension GatewayCall {
  /// What the caller has reached: `https://apus.example:8443`.
  fileprivate var baseAddress: String {
    "\(head.scheme ?? "http")://\(head.authority ?? header(.host) ?? "localhost")"
  }

  /// The same host at another port; nil without one.
  fileprivate func address(port: Int?) -> String? {
    guard let port else { return nil }
    let authority = head.authority ?? header(.host) ?? "localhost"
    // What follows the last colon is a port, unless it is within the brackets of an IPv6 address.
    let end = authority.lastIndex(of: ":").flatMap { authority[$0...].contains("]") ? nil : $0 } ?? authority.endIndex
    let host = authority[..<end].isEmpty ? "localhost" : authority[..<end]
    return "\(head.scheme ?? "http")://\(host):\(port)"
  }

  fileprivate var allQueryValues: [String: String] {
    var values: [String: String] = [:]
    for pair in query.split(separator: "&") {
      let name = pair.prefix { $0 != "=" }
      if let decoded = URLText.decoded(name), values[decoded] == nil { values[decoded] = queryValue(String(name)) }
    }
    return values
  }
}

extension HTTPField.Name {
  fileprivate static let host = HTTPField.Name("host")!
}
