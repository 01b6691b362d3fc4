/// How long a request may take and how many may be at work. What isn't given is `nil`.
package struct RequestSettings: Hashable, Sendable {
  /// Longest that a setting may be: a day.
  package static let maxTimeoutMilliseconds = 86_400_000

  /// `nil`: 5000.
  package var requestTimeoutMilliseconds: Int?
  /// `nil`: 1.
  package var maxConcurrentRequestsPerInstance: Int?
  /// `nil`: 500.
  package var maxQueueWaitMilliseconds: Int?

  package init(
    requestTimeoutMilliseconds: Int? = nil, maxConcurrentRequestsPerInstance: Int? = nil,
    maxQueueWaitMilliseconds: Int? = nil
  ) {
    self.requestTimeoutMilliseconds = requestTimeoutMilliseconds
    self.maxConcurrentRequestsPerInstance = maxConcurrentRequestsPerInstance
    self.maxQueueWaitMilliseconds = maxQueueWaitMilliseconds
  }
}

/// When an instance is asked whether it works, and how many answers count. What isn't given is `nil`.
package struct ProbeSettings: Hashable, Sendable {
  /// `nil`: 10.
  package var initialDelaySeconds: Int?
  /// `nil`: 10.
  package var periodSeconds: Int?
  /// `nil`: 2.
  package var timeoutSeconds: Int?
  /// `nil`: 1. Always 1 for liveness.
  package var successThreshold: Int?
  /// `nil`: 30.
  package var failureThreshold: Int?

  package init(
    initialDelaySeconds: Int? = nil, periodSeconds: Int? = nil, timeoutSeconds: Int? = nil,
    successThreshold: Int? = nil,
    failureThreshold: Int? = nil
  ) {
    self.initialDelaySeconds = initialDelaySeconds
    self.periodSeconds = periodSeconds
    self.timeoutSeconds = timeoutSeconds
    self.successThreshold = successThreshold
    self.failureThreshold = failureThreshold
  }
}

/// What decides the number of instances.
package enum ScaleSettings: Hashable, Sendable {
  /// `instance_count`, or an autoscale resource.
  case `default`
  case targetUtilization(TargetUtilization)

  /// Instances between a minimum and a maximum, so that the busy share of them stays near a target.
  package struct TargetUtilization: Hashable, Sendable {
    package var minInstances: Int
    package var maxInstances: Int
    /// 1 to 100.
    package var targetPercent: Int
    package var pollingIntervalSeconds: Int

    package init(
      minInstances: Int = 1, maxInstances: Int = 1, targetPercent: Int = 70, pollingIntervalSeconds: Int = 1
    ) {
      self.minInstances = minInstances
      self.maxInstances = maxInstances
      self.targetPercent = targetPercent
      self.pollingIntervalSeconds = pollingIntervalSeconds
    }
  }
}

/// Which requests and answers are to be kept, and where.
package struct DataCollector: Hashable, Sendable {
  /// Most collections beside `request` and `response`.
  package static let maxCustomCollections = 5

  package enum RollingRate: String, CaseIterable, Hashable, Sendable { case minute, hour, day, month, year }

  package struct Collection: Hashable, Sendable {
    package var enabled: Bool
    /// `data.name`
    package var assetName: String?
    /// `data.path`
    package var path: String?
    /// `data.version`
    package var version: String?
    package var clientID: String?

    package init(
      enabled: Bool = false, assetName: String? = nil, path: String? = nil, version: String? = nil,
      clientID: String? = nil
    ) {
      self.enabled = enabled
      self.assetName = assetName
      self.path = path
      self.version = version
      self.clientID = clientID
    }
  }

  package var collections: [String: Collection]
  /// 0 to 1. `nil`: 1.
  package var samplingRate: Double?
  /// `nil`: hour.
  package var rollingRate: RollingRate?
  /// `request_logging.capture_headers`
  package var capturedHeaders: [String]

  package init(
    collections: [String: Collection] = [:], samplingRate: Double? = nil, rollingRate: RollingRate? = nil,
    capturedHeaders: [String] = []
  ) {
    self.collections = collections
    self.samplingRate = samplingRate
    self.rollingRate = rollingRate
    self.capturedHeaders = capturedHeaders
  }
}
