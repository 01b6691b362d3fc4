internal import AsyncHTTPClient
internal import Documents
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// What is asked of a resource.
enum ControlMethod: String, Sendable {
  case get = "GET"
  case put = "PUT"
  case patch = "PATCH"
  case post = "POST"
  case delete = "DELETE"
}

/// What the server answered.
struct ControlResponse: Sendable {
  let status: Int
  /// Names in lower case, in the order they came.
  let headers: [(name: String, value: String)]
  let bytes: [UInt8]
  /// The body as JSON; null if it has none.
  let body: Document

  func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

  var etag: String? { header("etag") ?? body["etag"]?.string }
}

/// A connection to one server's control plane, over HTTP or HTTPS or a socket of this machine.
///
/// Answers up to `maxAnswerBytes` are held in memory; what is larger, files, is streamed.
actor ControlClient {
  static let maxAnswerBytes = 64 << 20
  static let connectSeconds: Int64 = 10

  let session: Session
  private let http: HTTPClient
  /// The server is there, or was.
  private var hasAnswered = false

  /// Runs work with a client, and closes it after.
  static func with<Result: Sendable>(
    _ session: Session, _ work: (ControlClient) async throws -> Result
  ) async throws -> Result {
    let client = try ControlClient(session)
    do {
      let result = try await work(client)
      try? await client.http.shutdown()
      return result
    } catch {
      try? await client.http.shutdown()
      throw error
    }
  }

  private init(_ session: Session) throws(UsageError) {
    self.session = session
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    configuration.timeout.connect = .seconds(ControlClient.connectSeconds)
    // A server that is gone is no reason to wait for it.
    configuration.connectionPool.retryConnectionEstablishment = false
    configuration.tlsConfiguration = try ControlClient.tls(session)
    http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  private static func tls(_ session: Session) throws(UsageError) -> TLSConfiguration {
    var tls = TLSConfiguration.makeClientConfiguration()
    if let ca = session.ca {
      do {
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(ca))
      } catch { throw UsageError("--ca: can't read certificates from \(ca)") }
    }
    if let certificate = session.certificate, let key = session.key {
      do {
        tls.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) }
      } catch { throw UsageError("--certificate: can't read a certificate from \(certificate)") }
      do {
        tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))
      } catch { throw UsageError("--key: can't read a key from \(key)") }
    }
    return tls
  }

  // MARK: Requests

  /// Sends a request for a path of the workspace, and waits for the answer.
  ///
  /// - Parameters:
  ///   - path: After the workspace's own, beginning with a slash.
  ///   - accepting: Statuses from 400 on that are answers rather than errors.
  /// - Throws: `ControlError` for what the server refused, `UnreachableError` if it did not answer.
  func send(
    _ method: ControlMethod, _ path: String, query: [String: String] = [:], body: Document? = nil,
    headers: [String: String] = [:], accepting: Set<Int> = []
  ) async throws -> ControlResponse {
    let data = body.map { Array($0.json().utf8) }
    return try await send(
      method, from: session.base + path + ControlClient.text(of: query), bytes: data,
      headers: headers.merging(["content-type": "application/json"]) { given, _ in given }, accepting: accepting)
  }

  /// The same for a path from the server's root, and any body.
  func send(
    _ method: ControlMethod, from path: String, bytes: [UInt8]?, headers: [String: String], accepting: Set<Int> = []
  ) async throws -> ControlResponse {
    let response = try await execute(method, session.address.url(path), headers: headers) {
      bytes.map { .bytes(ByteBuffer(bytes: $0)) }
    }
    return try await answer(response, accepting: accepting)
  }

  /// Looks at something that goes on by itself. A server that has answered once and is away then, as for a restart, takes up
  /// again what it has begun: it is asked until it answers, for up to `longestAbsence`.
  ///
  /// - Parameters:
  ///   - path: From the server's root.
  ///   - wait: Told why, when the waiting begins.
  func look(at path: String, whileAway wait: (any Error) -> Void) async throws -> ControlResponse {
    let clock = ContinuousClock()
    var away: ContinuousClock.Instant?
    while true {
      do {
        return try await send(.get, from: path, bytes: nil, headers: [:])
      } catch let error where hasAnswered && ControlClient.isAway(error) {
        if away == nil { wait(error) }
        let since = away ?? clock.now
        guard clock.now - since < ControlClient.longestAbsence else { throw error }
        away = since
        try await Task.sleep(for: ControlClient.absencePause)
      }
    }
  }

  /// A proxy answers for a server that is away.
  private static func isAway(_ error: any Error) -> Bool {
    if let error = error as? ControlError { return 502...504 ~= error.status }
    return error is UnreachableError
  }

  private static let longestAbsence = Duration.seconds(60)
  private static let absencePause = Duration.milliseconds(500)

  /// Sends a body that is made as it is sent: a part of a file.
  func send(
    _ method: ControlMethod, _ path: String, headers: [String: String], length: Int64,
    stream: @Sendable @escaping () throws -> FileChunks
  ) async throws -> ControlResponse {
    let response = try await execute(method, session.address.url(session.base + path), headers: headers, isLong: true) {
      .stream(try stream(), length: .known(length))
    }
    return try await answer(response, accepting: [])
  }

  /// Gets a file, piece by piece.
  func download(_ path: String, into receive: (UnsafeRawBufferPointer) throws -> Void) async throws {
    let response = try await execute(.get, session.address.url(session.base + path), headers: [:], isLong: true) { nil }
    guard response.status.code < 400 else {
      _ = try await answer(response, accepting: [])
      return
    }
    do {
      for try await piece in response.body { try piece.withUnsafeReadableBytes { try receive($0) } }
    } catch let error as HTTPClientError { throw unreachable(error) }
  }

  /// Sends a request to any address, with a credential of its own or none.
  func post(_ url: String, bytes: [UInt8], headers: [String: String]) async throws -> ControlResponse {
    var request = HTTPClientRequest(url: url)
    request.method = .POST
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    request.body = .bytes(ByteBuffer(bytes: bytes))
    return try await read(try await execute(request, isLong: false))
  }

  private func execute(
    _ method: ControlMethod, _ url: String, headers: [String: String], isLong: Bool = false,
    body: () throws -> HTTPClientRequest.Body?
  ) async throws -> HTTPClientResponse {
    var request = HTTPClientRequest(url: url)
    request.method = HTTPMethod(rawValue: method.rawValue)
    if case .unix = session.address { request.headers.add(name: "host", value: session.host ?? "localhost") }
    request.headers.add(name: "accept", value: "application/json")
    request.headers.add(name: "user-agent", value: "apus/\(apusVersion)")
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    if let token = session.token { request.headers.add(name: "authorization", value: "Bearer \(token)") }
    request.body = try body()
    return try await execute(request, isLong: isLong)
  }

  private func execute(_ request: HTTPClientRequest, isLong: Bool) async throws -> HTTPClientResponse {
    do {
      // A long transfer has no end that could be told beforehand; a day is one that never comes too soon.
      let timeout = isLong ? .hours(24) : TimeAmount(session.timeout)
      let response = try await http.execute(request, timeout: timeout)
      hasAnswered = true
      if session.isVerbose { ExitStatus.say("\(request.method.rawValue) \(request.url): \(response.status.code)") }
      return response
    } catch { throw unreachable(error) }
  }

  private func read(_ response: HTTPClientResponse) async throws -> ControlResponse {
    let buffer: ByteBuffer
    do {
      buffer = try await response.body.collect(upTo: ControlClient.maxAnswerBytes)
    } catch is NIOTooManyBytesError {
      throw UnreachableError("the answer of \(session.address) is longer than \(ControlClient.maxAnswerBytes) bytes")
    } catch { throw unreachable(error) }
    let bytes = Array(buffer.readableBytesView)
    let limits = DocumentLimits(maxBytes: ControlClient.maxAnswerBytes, maxValues: 10_000_000)
    let body = bytes.isEmpty ? .null : (try? Document(json: bytes, limits: limits)) ?? .null
    let headers = response.headers.map { (name: $0.name.lowercased(), value: $0.value) }
    return ControlResponse(status: Int(response.status.code), headers: headers, bytes: bytes, body: body)
  }

  private func answer(_ response: HTTPClientResponse, accepting: Set<Int>) async throws -> ControlResponse {
    let answer = try await read(response)
    guard answer.status >= 300, !accepting.contains(answer.status) else { return answer }
    throw ControlError(
      status: answer.status, body: answer.body, text: String(decoding: answer.bytes.prefix(2000), as: UTF8.self))
  }

  private func unreachable(_ error: any Error) -> any Error {
    if error is ControlError || error is UsageError || error is CancellationError { return error }
    var reason = "\(error)"
    switch error {
    case let error as HTTPClientError where error == .deadlineExceeded:
      reason = "no answer within \(TimeSpan(session.timeout))"
    case let error as HTTPClientError where error == .connectTimeout:
      reason = "no connection within \(ControlClient.connectSeconds)s"
    case let error as HTTPClientError where error == .remoteConnectionClosed: reason = "it closed the connection"
    case let error as IOError: reason = String(cString: strerror(error.errnoCode))
    case let error as NIOConnectionError:
      let causes = error.connectionErrors.compactMap { ($0.error as? IOError)?.errnoCode }
      reason = causes.first.map { String(cString: strerror($0)) } ?? "no connection"
      if error.dnsAError != nil, error.connectionErrors.isEmpty { reason = "its name is not known" }
    default: break
    }
    return UnreachableError("can't reach \(session.address): \(reason)")
  }

  // MARK: Login

  /// Shows a secret, and gets what to show from then on: the same, or another in place of one that is good for one login.
  func logIn(_ secret: String) async throws -> String {
    var request = HTTPClientRequest(url: session.address.url("/login"))
    request.method = .POST
    request.headers.add(name: "content-type", value: "application/json")
    request.body = .bytes(ByteBuffer(string: Document.object(["secret": .string(secret)]).json()))
    let response = try await answer(try await execute(request, isLong: false), accepting: [])
    guard let token = response.body["token"]?.string else {
      throw UnreachableError("\(session.address) answered a login without a token: is it an Apus server?")
    }
    return token
  }

  private static func text(of query: [String: String]) -> String {
    if query.isEmpty { return "" }
    return "?" + query.sorted { $0.key < $1.key }.map { "\($0.key)=\(Session.escaped($0.value))" }.joined(separator: "&")
  }
}

extension TimeAmount {
  init(_ duration: Duration) { self = .nanoseconds(duration.wholeNanosecondsSigned) }
}

extension Duration {
  fileprivate var wholeNanosecondsSigned: Int64 {
    components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
  }
}
