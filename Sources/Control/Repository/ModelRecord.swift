/// Where one version of a model is in its life, in Triton's words.
package enum VersionState: String, Sendable, Hashable {
  case unknown = "UNKNOWN"
  case loading = "LOADING"
  case ready = "READY"
  case unloading = "UNLOADING"
  case unavailable = "UNAVAILABLE"
}

/// Tells the deployments of this process apart, also those of one version loaded twice.
package struct DeploymentID: Hashable, Sendable, Comparable {
  package var number: Int
  package init(number: Int) { self.number = number }
  package static func < (left: DeploymentID, right: DeploymentID) -> Bool { left.number < right.number }
}

/// The life of one model and its versions: a value, an event a method, no I/O.
///
/// ```
///       beginLoad           finishLoad           unload, or not chosen by the next load
/// (none) ───────▶ LOADING ────────────▶ READY ──────────▶ UNLOADING ──drained──▶ UNAVAILABLE "unloaded"
///                 ▲  │ failLoad         ▲   │
///       beginLoad │  ▼                  └───┘ loaded again, well or not
///             UNAVAILABLE reason            beginLoad leads from the last three to LOADING
/// ```
///
/// A version that serves stays READY while it is loaded again, and after that failed. What is retired goes on with the
/// requests it has; the caller drains it and says `drained`.
package struct ModelRecord: Sendable, Hashable {
  package struct Version: Sendable, Hashable {
    package var state: VersionState
    package var reason = ""
    /// What serves it; set exactly if it is ready.
    package var deployment: DeploymentID?
    /// What served it last and still drains; set exactly if it is unloading.
    package var draining: DeploymentID?

    package init(
      state: VersionState, reason: String = "", deployment: DeploymentID? = nil, draining: DeploymentID? = nil
    ) {
      self.state = state
      self.reason = reason
      self.deployment = deployment
      self.draining = draining
    }
  }

  package init() {}

  package private(set) var versions: [Int64: Version] = [:]
  /// Whether somebody wants it served: asked for, and not unloaded since. Counts for the server's readiness.
  package private(set) var isWanted = true
  /// Why the last load failed; nil if it did not.
  package private(set) var failure: String?

  package static let unloadedReason = "unloaded"

  /// These versions are about to be loaded.
  package mutating func beginLoad(_ selected: [Int64]) {
    isWanted = true
    for version in selected where versions[version]?.state != .ready { versions[version] = Version(state: .loading) }
  }

  /// All selected versions are loaded and serve from now on; everything else is retired.
  ///
  /// - Returns: What to drain.
  package mutating func finishLoad(_ serving: [Int64: DeploymentID]) -> [DeploymentID] {
    failure = nil
    var retired: [DeploymentID] = []
    for (version, record) in versions where serving[version] == nil {
      if let deployment = record.deployment {
        retired.append(deployment)
        versions[version] = Version(state: .unloading, draining: deployment)
      } else if record.state == .loading {
        versions[version] = Version(state: .unavailable, reason: ModelRecord.unloadedReason)
      }
    }
    for (version, deployment) in serving {
      if let old = versions[version]?.deployment { retired.append(old) }
      versions[version] = Version(state: .ready, deployment: deployment)
    }
    return retired.sorted()
  }

  /// The load failed as a whole: versions that served go on, the others are unavailable.
  ///
  /// - Parameter reasons: By version, for those that were to blame.
  package mutating func failLoad(_ failure: String, reasons: [Int64: String] = [:]) {
    isWanted = true
    self.failure = failure
    for (version, record) in versions where record.state == .loading {
      let reason = reasons[version] ?? "not loaded, because another version failed to load"
      versions[version] = Version(state: .unavailable, reason: reason)
    }
  }

  /// Nothing of it is to be served any more.
  ///
  /// - Returns: What to drain.
  package mutating func unload() -> [DeploymentID] {
    isWanted = false
    failure = nil
    var retired: [DeploymentID] = []
    for (version, record) in versions {
      if let deployment = record.deployment {
        retired.append(deployment)
        versions[version] = Version(state: .unloading, draining: deployment)
      } else if record.state == .unavailable {
        versions[version]?.reason = ModelRecord.unloadedReason
      }
    }
    return retired.sorted()
  }

  /// A retired deployment has answered its last request.
  package mutating func drained(_ deployment: DeploymentID) {
    for (version, record) in versions where record.draining == deployment {
      versions[version] = Version(state: .unavailable, reason: ModelRecord.unloadedReason)
    }
  }

  /// Whether it is as it should be: wanted with every version of the last load ready, or not wanted at all.
  package var isSettled: Bool {
    guard isWanted else { return true }
    let counted = versions.values.filter { $0.reason != ModelRecord.unloadedReason && $0.state != .unloading }
    return !counted.isEmpty && counted.allSatisfy { $0.state == .ready }
  }
}
