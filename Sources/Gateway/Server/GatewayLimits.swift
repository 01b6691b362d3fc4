/// What clients may take of the gateway, and for how long.
package struct GatewayLimits: Hashable, Sendable {
  /// Largest body, before and after decompression. Past it: 413.
  package var maxBodyBytes = 100 << 20
  /// Bodies and the tensors read from them, of all requests together. Past it: 429.
  package var memoryBytes = 2 << 30
  /// Names and values of a request's headers together. Past it: 400 and the end of the connection.
  package var maxHeaderBytes = 32 << 10
  package var maxHeaderCount = 200
  /// Connections of one listener; more wait to be accepted.
  package var maxConnections = 10_000
  /// Requests in hand of all listeners. Past it: 429.
  package var maxConcurrentRequests = 10_000
  /// A connection without a request is closed after this.
  package var idleTimeout = Duration.seconds(120)
  /// From a request's head to the end of its body, or to the next `bodyProgressBytes` of it. Past it: 408.
  package var bodyTimeout = Duration.seconds(60)
  /// What of a large body has to come in `bodyTimeout`.
  package var bodyProgressBytes = 1 << 20
  /// How long a connection that is to be closed may still send what nobody reads.
  package var lingerTimeout = Duration.seconds(2)

  package init() {}
}
