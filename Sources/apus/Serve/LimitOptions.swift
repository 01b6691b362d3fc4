internal import ApusServer
internal import ArgumentParser
internal import Gateway
internal import HTTP2
internal import Inference
internal import Pools
internal import Transport

/// What clients may take of the server, and for how long. See `ServerLimits`.
struct LimitOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Largest message, before and after decompression. (default: 256MiB)", valueName: "size"),
    transform: ByteCount.parse)
  var maxMessageBytes: ByteCount?

  @Option(
    help: ArgumentHelp("Messages and unsent answers held by the whole server. (default: 2GiB)", valueName: "size"),
    transform: ByteCount.parse)
  var memoryBytes: ByteCount?

  @Option(
    help: ArgumentHelp("The same for one connection. (default: 256MiB)", valueName: "size"),
    transform: ByteCount.parse)
  var connectionBytes: ByteCount?

  @Option(
    help: ArgumentHelp(
      "Answers kept for identical requests, of models with response_cache { enable: true }; 0: none. (default: 0)",
      valueName: "size"),
    transform: ByteCount.parse)
  var responseCacheBytes: ByteCount?

  @Option(
    help: ArgumentHelp("Bodies and tensors held for HTTP by the whole server. (default: 2GiB)", valueName: "size"),
    transform: ByteCount.parse)
  var httpMemoryBytes: ByteCount?

  @Option(help: ArgumentHelp("Connections open at once on one HTTP address. (default: 10000)", valueName: "n"))
  var httpMaxConnections: Int?

  @Option(help: ArgumentHelp("HTTP requests in hand of the whole server. (default: 10000)", valueName: "n"))
  var httpMaxRequests: Int?

  @Option(
    help: ArgumentHelp("How long the body of an HTTP request, or the next MiB of it, may take. (default: 1m)", valueName: "time"),
    transform: TimeSpan.parse)
  var httpBodyTimeout: TimeSpan?

  @Option(
    help: ArgumentHelp("An HTTP connection without a request is closed after this. (default: 2m)", valueName: "time"),
    transform: TimeSpan.parse)
  var httpIdleTimeout: TimeSpan?

  @Option(help: ArgumentHelp("Calls open at once on one connection. (default: 1000)", valueName: "n"))
  var maxConcurrentStreams: Int?

  @Option(
    help: ArgumentHelp("Largest list of headers. (default: 16KiB)", valueName: "size"),
    transform: ByteCount.parse)
  var maxHeaderListBytes: ByteCount?

  @Option(
    help: ArgumentHelp("Bytes of one call that may be sent ahead. (default: 16777215)", valueName: "size"),
    transform: ByteCount.parse)
  var streamWindowBytes: ByteCount?

  @Option(
    help: ArgumentHelp("Bytes of one connection that may be sent ahead. (default: 64MiB)", valueName: "size"),
    transform: ByteCount.parse)
  var connectionWindowBytes: ByteCount?

  @Option(help: ArgumentHelp("Connections open at once on one event loop. (default: 10000)", valueName: "n"))
  var maxConnections: Int?

  @Option(
    help: ArgumentHelp("From a new connection to the end of its handshake. (default: 10s)", valueName: "time"),
    transform: TimeSpan.parse)
  var handshakeTimeout: TimeSpan?

  @Option(
    help: ArgumentHelp("A connection without calls is closed after this; 0: never. (default: 10m)", valueName: "time"),
    transform: TimeSpan.parse)
  var idleTimeout: TimeSpan?

  @Option(
    help: ArgumentHelp("A silent client is pinged after this; 0: never. (default: 1m)", valueName: "time"),
    transform: TimeSpan.parse)
  var keepaliveTime: TimeSpan?

  @Option(
    help: ArgumentHelp("How long the answer to a ping may take. (default: 20s)", valueName: "time"),
    transform: TimeSpan.parse)
  var keepaliveTimeout: TimeSpan?

  @Option(
    help: ArgumentHelp("Clients that ping more often than this are turned away. (default: 10s)", valueName: "time"),
    transform: TimeSpan.parse)
  var minPingInterval: TimeSpan?

  @Option(
    help: ArgumentHelp("A connection is closed at this age; 0: never. (default: 0)", valueName: "time"),
    transform: TimeSpan.parse)
  var maxConnectionAge: TimeSpan?

  @Option(
    help: ArgumentHelp("What its calls get to finish then. (default: 30s)", valueName: "time"),
    transform: TimeSpan.parse)
  var maxConnectionAgeGrace: TimeSpan?

  @Option(
    help: ArgumentHelp("How long a half-sent message or an answer may rest. (default: 1m)", valueName: "time"),
    transform: TimeSpan.parse)
  var stallTimeout: TimeSpan?

  @Option(
    help: ArgumentHelp(
      "A batch that runs in less may run on the event loop that brought it; 0: never. (default: 50us)",
      valueName: "time"),
    transform: TimeSpan.parse)
  var inlineRunLimit: TimeSpan?

  @Option(help: ArgumentHelp("Inference requests in hand of the whole server. (default: 100000)", valueName: "n"))
  var maxRequestsInFlight: Int?

  @Option(
    help: ArgumentHelp("Requests that wait for one model, at most. (default: 8192)", valueName: "n"))
  var maxQueueSize: Int?

  @Option(
    help: ArgumentHelp(
      "Status when a queue is full: unavailable, as Triton answers, or resource-exhausted. "
        + "(default: resource-exhausted)",
      valueName: "status"))
  var queueFullStatus: QueueFullStatus?

  @Option(
    help: ArgumentHelp(
      "Status when a request has waited too long: unavailable, as Triton answers, or deadline-exceeded. "
        + "(default: deadline-exceeded)",
      valueName: "status"))
  var queueTimeoutStatus: QueueTimeoutStatus?

  enum QueueFullStatus: String, ExpressibleByArgument, CaseIterable {
    case unavailable
    case resourceExhausted = "resource-exhausted"
  }

  enum QueueTimeoutStatus: String, ExpressibleByArgument, CaseIterable {
    case unavailable
    case deadlineExceeded = "deadline-exceeded"
  }

  func apply(to configuration: inout ServerConfiguration) throws {
    try applySizes(to: &configuration.limits)
    applyTimes(to: &configuration.limits)
    try applyHTTP(to: &configuration.gateway)
    try set(&configuration.maxRequestsInFlight, maxRequestsInFlight, "--max-requests-in-flight", 1...1_000_000_000)
    try set(&configuration.responseCacheBytes, responseCacheBytes?.bytes, "--response-cache-bytes", 0...Int.max)
    try set(&configuration.pools.maxQueuedRequests, maxQueueSize, "--max-queue-size", 1...1_000_000_000)
    if let inlineRunLimit { configuration.pools.inlineRunLimit = inlineRunLimit.duration }
    if let queueFullStatus {
      configuration.pools.queueFullCode = queueFullStatus == .unavailable ? .unavailable : .resourceExhausted
    }
    if let queueTimeoutStatus {
      configuration.pools.queueTimeoutCode = queueTimeoutStatus == .unavailable ? .unavailable : .deadlineExceeded
    }
  }

  private func applyHTTP(to limits: inout GatewayLimits) throws {
    try set(&limits.memoryBytes, httpMemoryBytes?.bytes, "--http-memory-bytes", 1...Int.max)
    try set(&limits.maxConnections, httpMaxConnections, "--http-max-connections", 1...10_000_000)
    try set(&limits.maxConcurrentRequests, httpMaxRequests, "--http-max-requests", 1...1_000_000_000)
    if let httpBodyTimeout { limits.bodyTimeout = httpBodyTimeout.duration }
    if let httpIdleTimeout { limits.idleTimeout = httpIdleTimeout.duration }
  }

  private func applySizes(to limits: inout ServerLimits) throws {
    // HTTP/2 windows and gRPC's lengths are 31 and 32 bits wide.
    let window = 65_535...Int(Int32.max)
    try set(&limits.maxMessageBytes, maxMessageBytes?.bytes, "--max-message-bytes", 1...Int(UInt32.max))
    try set(&limits.memoryBytes, memoryBytes?.bytes, "--memory-bytes", 1...Int.max)
    try set(&limits.connectionBytes, connectionBytes?.bytes, "--connection-bytes", 1...Int.max)
    try set(&limits.http2.maxHeaderListBytes, maxHeaderListBytes?.bytes, "--max-header-list-bytes", 1024...1 << 20)
    try set(&limits.maxConnectionsPerLoop, maxConnections, "--max-connections", 1...10_000_000)
    var streams = Int(limits.http2.maxConcurrentStreams)
    try set(&streams, maxConcurrentStreams, "--max-concurrent-streams", 1...1_000_000)
    limits.http2.maxConcurrentStreams = UInt32(streams)
    var streamWindow = Int(limits.http2.streamWindowBytes)
    try set(&streamWindow, streamWindowBytes?.bytes, "--stream-window-bytes", window)
    limits.http2.streamWindowBytes = Int32(streamWindow)
    var connectionWindow = Int(limits.http2.connectionWindowBytes)
    try set(&connectionWindow, connectionWindowBytes?.bytes, "--connection-window-bytes", window)
    limits.http2.connectionWindowBytes = Int32(connectionWindow)
  }

  private func applyTimes(to limits: inout ServerLimits) {
    if let handshakeTimeout { limits.handshakeTimeout = handshakeTimeout.duration }
    if let idleTimeout { limits.idleTimeout = idleTimeout.duration }
    if let keepaliveTime { limits.keepaliveTime = keepaliveTime.duration }
    if let keepaliveTimeout { limits.keepaliveTimeout = keepaliveTimeout.duration }
    if let minPingInterval { limits.minPingInterval = minPingInterval.duration }
    if let maxConnectionAge { limits.maxConnectionAge = maxConnectionAge.duration }
    if let maxConnectionAgeGrace { limits.maxConnectionAgeGrace = maxConnectionAgeGrace.duration }
    if let stallTimeout { limits.stallTimeout = stallTimeout.duration }
  }
}
