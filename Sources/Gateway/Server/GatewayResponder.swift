package import HTTPTypes
package import HummingbirdCore
internal import Inference
internal import NIOCore
internal import Synchronization
internal import Telemetry

/// What is done with every request whatever its route: identities, limits, methods, errors, CORS.
final class GatewayResponder: Sendable {
  private let routes: GatewayRoutes
  private let limits: GatewayLimits
  private let cors: CORSPolicy
  private let memory: GatewayMemory
  private let inHand = Atomic<Int>(0)
  private let log: Log
  let registry = ConnectionRegistry()

  init(routes: GatewayRoutes, limits: GatewayLimits, cors: CORSPolicy, log: Log) {
    self.routes = routes
    self.limits = limits
    self.cors = cors
    self.log = log
    memory = GatewayMemory(limit: limits.memoryBytes)
  }

  func respond(
    to request: Request, on channel: any Channel, planes: Set<GatewayListener.Plane>,
    with writer: consuming ResponseWriter
  ) async throws {
    let start = Instant.now()
    let watch = registry.watch(of: channel)
    let target = request.head.path ?? "/"
    let path = target.prefix { $0 != "?" }
    let id = RequestID.random()
    var response: Response
    let match = routes.match(path, planes: planes)
    let form = match?.route.errors ?? routes.errorForm(near: path)
    do {
      response = try await answer(
        request, match, path, target.dropFirst(path.count + 1), planes, id, watch)
    } catch {
      response = GatewayResponder.response(to: error, form)
    }
    response.headers[.requestID] = id
    if let given = request.headers[.clientRequestID] { response.headers[.clientRequestID] = RequestID.sanitized(given) }
    if response.status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
    cors.apply(to: &response.headers, origin: request.headers[.origin])
    if watch?.hasEndedBody == false {
      // Whoever does not read a body has no use for the rest of it.
      watch?.closeAfterResponse()
    }
    log.debug(
      "answered",
      [
        "method": request.method.rawValue, "path": String(path), "status": "\(response.status.code)", "id": id,
        "ms": "\(Double(Instant.now().nanoseconds(since: start) / 1000) / 1000)",
      ])
    if request.method == .head { response = response.createHeadResponse() }
    try await writer.write(response: response.head, body: response.body)
  }

  private func answer(
    _ request: Request, _ match: GatewayRoutes.Match?, _ path: Substring, _ query: Substring,
    _ planes: Set<GatewayListener.Plane>, _ id: String, _ watch: ConnectionWatch?
  ) async throws -> Response {
    guard let match else { throw HTTPFailure(.notFound, "there is nothing at \(path.prefix(200))") }
    if request.method == .options, match.route.handler(for: .options) == nil {
      let headers = cors.preflight(request.headers, methods: match.route.allowed)
      return Response(status: .ok, headers: headers.merging([.allow: match.route.allowed]))
    }
    guard let handler = match.route.handler(for: request.method) else {
      throw HTTPFailure(
        .methodNotAllowed, "\(path.prefix(200)) takes \(match.route.allowed), not \(request.method.rawValue)",
        headers: [.allow: match.route.allowed])
    }
    let before = inHand.wrappingAdd(1, ordering: .relaxed).oldValue
    defer { inHand.wrappingSubtract(1, ordering: .relaxed) }
    guard before < limits.maxConcurrentRequests else {
      throw InferenceError.resourceExhausted(
        "\(before) requests are in hand; the limit is \(limits.maxConcurrentRequests)")
    }
    let call = GatewayCall(
      head: request.head, path: path, parameters: match.parameters, query: query, planes: planes, id: id,
      body: request.body, watch: watch, memory: CallMemory(memory), limits: limits)
    return try await handler(call)
  }

  // MARK: - Errors

  private static func response(to error: any Error, _ form: ErrorForm) -> Response {
    switch error {
    case let failure as HTTPFailure: return .json(failure.status, form.body(failure.status, failure.message), failure.headers)
    case let error as InferenceError:
      let status = HTTPResponse.Status(error.code)
      var headers: HTTPFields = [:]
      if status == .tooManyRequests { headers[.retryAfter] = "1" }
      return .json(status, form.body(status, error.message), headers)
    default:
      return .json(.badRequest, form.body(.badRequest, "the request could not be read to its end"))
    }
  }
}

extension HTTPFields {
  func merging(_ other: HTTPFields) -> HTTPFields {
    var merged = self
    for field in other { merged[field.name] = field.value }
    return merged
  }
}

extension Response {
  /// An answer of JSON.
  package static func json(_ status: HTTPResponse.Status, _ bytes: [UInt8], _ headers: HTTPFields = [:]) -> Response {
    Response(
      status: status, headers: headers.merging([.contentType: "application/json"]),
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
  }

  /// An answer of plain text.
  static func text(_ status: HTTPResponse.Status, _ text: String) -> Response {
    Response(
      status: status, headers: [.contentType: "text/plain; charset=utf-8"],
      body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
  }
}
