internal import Documents

/// What Azure's files have no key for. All of it stands under one key, `apus`, which other tools do not know.
package struct EndpointExtensions: Hashable, Sendable {
  /// Requests with equal `apus-routing-key` go to the same deployment, as long as the split stays.
  package var isSticky: Bool
  /// `nil`: no limit.
  package var requestsPerSecond: Int?
  /// Requests that may come at once beyond the rate. `nil`: as many as in one second.
  package var burst: Int?
  package var maxRequestsInFlight: Int?
  /// Connections that requests in flight may have come by.
  package var maxConnections: Int?
  package var bytesPerSecond: Int?

  package init(
    isSticky: Bool = false, requestsPerSecond: Int? = nil, burst: Int? = nil, maxRequestsInFlight: Int? = nil,
    maxConnections: Int? = nil, bytesPerSecond: Int? = nil
  ) {
    self.isSticky = isSticky
    self.requestsPerSecond = requestsPerSecond
    self.burst = burst
    self.maxRequestsInFlight = maxRequestsInFlight
    self.maxConnections = maxConnections
    self.bytesPerSecond = bytesPerSecond
  }
}

/// The same of a deployment.
package struct DeploymentExtensions: Hashable, Sendable {
  /// Whether its model leaves memory when nobody calls it, and comes back with the next request.
  package var loadsOnDemand: Bool
  /// How long nobody must have called it. `nil`: only when memory is short.
  package var idleSeconds: Int?

  package init(loadsOnDemand: Bool = false, idleSeconds: Int? = nil) {
    self.loadsOnDemand = loadsOnDemand
    self.idleSeconds = idleSeconds
  }
}

extension FieldReader {
  private static let amounts = 1...1_000_000_000_000

  internal func endpointExtensions() -> EndpointExtensions {
    object("apus") { fields in
      let extensions = EndpointExtensions(
        isSticky: fields.bool("sticky") ?? false,
        requestsPerSecond: fields.int("requests_per_second", in: 1...1_000_000_000),
        burst: fields.int("burst", in: 1...1_000_000_000),
        maxRequestsInFlight: fields.int("max_requests_in_flight", in: 1...1_000_000_000),
        maxConnections: fields.int("max_connections", in: 1...1_000_000_000),
        bytesPerSecond: fields.int("bytes_per_second", in: FieldReader.amounts))
      if extensions.burst != nil, extensions.requestsPerSecond == nil {
        fields.fault("burst", "expected requests_per_second beside it, which it goes beyond")
      }
      return extensions
    } ?? EndpointExtensions()
  }

  internal func deploymentExtensions() -> DeploymentExtensions {
    object("apus") { fields in
      let extensions = DeploymentExtensions(
        loadsOnDemand: fields.bool("load_on_demand") ?? false, idleSeconds: fields.seconds("idle_time", in: 1...31_536_000))
      if extensions.idleSeconds != nil, !extensions.loadsOnDemand {
        fields.fault("idle_time", "expected load_on_demand: true beside it, which brings the model back")
      }
      return extensions
    } ?? DeploymentExtensions()
  }
}

extension FieldWriter {
  internal mutating func put(_ extensions: EndpointExtensions) {
    guard extensions != EndpointExtensions() else { return }
    put("apus") { fields in
      if extensions.isSticky { fields.put("sticky", true) }
      fields.put("requests_per_second", extensions.requestsPerSecond)
      fields.put("burst", extensions.burst)
      fields.put("max_requests_in_flight", extensions.maxRequestsInFlight)
      fields.put("max_connections", extensions.maxConnections)
      fields.put("bytes_per_second", extensions.bytesPerSecond)
    }
  }

  internal mutating func put(_ extensions: DeploymentExtensions) {
    guard extensions != DeploymentExtensions() else { return }
    put("apus") { fields in
      if extensions.loadsOnDemand { fields.put("load_on_demand", true) }
      fields.put("idle_time", seconds: extensions.idleSeconds)
    }
  }
}
