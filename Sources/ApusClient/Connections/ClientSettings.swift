internal import GRPC
internal import GRPCClient
internal import HTTP2
internal import Inference
internal import Transport

/// What a client was made with, checked: shared by its event loops and never changed.
struct ClientSettings: @unchecked Sendable {  // holds options with a TLS context, which is safe to share
  /// One address as it was given.
  struct Target {
    let address: SocketAddress
    /// As it was given, for people.
    let name: String
    let connection: ClientConnectionOptions
  }

  let options: InferenceClient.Options
  let targets: [Target]
  /// The metadata of every call that no table needs to be asked for: the client's own, and fixed credentials.
  private let fixedMetadata: Metadata
  let tokens: TokenProvider?
  let timeoutNanoseconds: UInt64?
  /// Whether calls need nothing before they are sent and after they have ended.
  var isPlain: Bool { tokens == nil && options.interceptors.isEmpty }

  init(_ addresses: [String], _ options: InferenceClient.Options) throws(ClientError) {
    guard !addresses.isEmpty else {
      throw ClientError(.client, .invalidArgument, "no address was given")
    }
    try options.check()
    var tls: TLSContext?
    if let given = options.tls {
      do throws(TLSError) {
        tls = try TLSContext(
          clientTrusting: given.caFile, certificateFile: given.certificateFile, keyFile: given.keyFile)
      } catch {
        throw ClientError(.client, .invalidArgument, error.description)
      }
    }
    if let credentials = options.credentials, tls == nil, !credentials.allowsPlaintext {
      throw ClientError(
        .client, .invalidArgument,
        "credentials would travel in the clear; use TLS, or set allowsPlaintext where the network is trusted")
    }
    var targets: [Target] = []
    for address in addresses {
      guard let parsed = SocketAddress(address) else {
        throw ClientError(
          .client, .invalidArgument, "'\(address)' is no address; expected HOST:PORT, [IPv6]:PORT, :PORT or unix:PATH")
      }
      targets.append(
        Target(address: parsed, name: address, connection: options.connection(to: parsed, named: address, tls: tls)))
    }
    self.targets = targets
    self.options = options
    var metadata = options.metadata
    var tokens: TokenProvider?
    switch options.credentials?.source {
    case .fixed(let name, let value): metadata.append(name, value)
    case .provided(let provider): tokens = provider
    case nil: break
    }
    fixedMetadata = metadata
    self.tokens = tokens
    timeoutNanoseconds = options.timeout?.wholeNanoseconds
  }

  func makeTemplate(_ method: ClientMethod, target: Int, compression: Compression) -> RequestTemplate {
    var connection = targets[target].connection
    connection.sendEncoding = compression.encoding
    var block = fixedMetadata.block()
    defer { block.deallocate() }
    return RequestTemplate(
      method.path, answer: method.isStream ? .stream : .one, options: connection, metadata: block)
  }

  /// When a call that starts now must have its answer.
  func deadline(_ timeout: CallTimeout, now: Instant) -> Instant {
    switch timeout {
    case .standard: timeoutNanoseconds.map { now.advanced(byNanoseconds: $0) } ?? .never
    case .after(let duration): now.advanced(byNanoseconds: duration.wholeNanoseconds)
    case .unlimited: .never
    }
  }
}

extension InferenceClient.Options {
  fileprivate func connection(
    to address: SocketAddress, named name: String, tls context: TLSContext?
  ) -> ClientConnectionOptions {
    var connection = ClientConnectionOptions()
    connection.tls = context
    var host = "localhost"
    if case .tcp(let given, _) = address, !given.isEmpty { host = given }
    connection.serverName = tls.map { $0.serverName.isEmpty ? host : $0.serverName } ?? host
    switch address {
    case .unix: connection.authority = "localhost"
    case .tcp: connection.authority = name.hasPrefix(":") ? "localhost\(name)" : name
    }
    connection.userAgent = userAgent
    connection.connectTimeout = connectTimeout
    connection.maxMessageBytes = maxMessageBytes
    if let keepalive {
      connection.keepaliveTime = keepalive.time
      connection.keepaliveTimeout = keepalive.timeout
      connection.keepaliveWithoutCalls = keepalive.withoutCalls
    }
    return connection
  }

  /// - Throws: `.invalidArgument` for a number that makes no sense, with its name and what was expected.
  fileprivate func check() throws(ClientError) {
    func require(_ isRight: Bool, _ text: String) throws(ClientError) {
      if !isRight { throw ClientError(.client, .invalidArgument, text) }
    }
    try require(threadCount >= 1, "threadCount is \(threadCount); expected 1 or more")
    try require(
      connectionsPerAddress >= 1, "connectionsPerAddress is \(connectionsPerAddress); expected 1 or more")
    try require(maxMessageBytes >= 0, "maxMessageBytes is \(maxMessageBytes); expected 0 or more")
    try require(retry.maxAttempts >= 1, "retry.maxAttempts is \(retry.maxAttempts); expected 1 or more")
    if let hedging {
      try require(hedging.maxAttempts >= 2, "hedging.maxAttempts is \(hedging.maxAttempts); expected 2 or more")
    }
    try require(retryBudget.maxTokens > 0, "retryBudget.maxTokens is \(retryBudget.maxTokens); expected more than 0")
    try require(
      tls?.certificateFile.isEmpty == tls?.keyFile.isEmpty,
      "a certificate and its key go together")
  }
}
