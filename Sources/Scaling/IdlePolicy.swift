package import Inference

/// Which deployments to take out of memory: those that nobody has called for long, and, where memory is short, the
/// least recently used ones. They are loaded again by their next request.
package struct IdlePolicy: Hashable, Sendable {
  /// Memory that loaded deployments may use together; nil: no limit.
  package var memoryBudgetBytes: UInt64?

  package init(memoryBudgetBytes: UInt64? = nil) { self.memoryBudgetBytes = memoryBudgetBytes }

  /// A deployment that is in memory.
  package struct Loaded: Hashable, Sendable {
    package var name: String
    package var memoryBytes: UInt64
    package var lastUsed: Instant
    /// Waiting or running.
    package var requestsInHand: Int
    /// Only one with 0 is ever taken out.
    package var minInstances: Int
    /// How long without a request is too long; nil: only where memory is short.
    package var idleNanoseconds: UInt64?

    package init(
      name: String, memoryBytes: UInt64, lastUsed: Instant, requestsInHand: Int, minInstances: Int,
      idleNanoseconds: UInt64? = nil
    ) {
      self.name = name
      self.memoryBytes = memoryBytes
      self.lastUsed = lastUsed
      self.requestsInHand = requestsInHand
      self.minInstances = minInstances
      self.idleNanoseconds = idleNanoseconds
    }

    var canLeave: Bool { minInstances <= 0 && requestsInHand <= 0 }
  }

  package struct Suspension: Hashable, Sendable {
    package var name: String
    package var reason: String

    package init(name: String, reason: String) {
      self.name = name
      self.reason = reason
    }
  }

  package struct Verdict: Hashable, Sendable {
    /// In the order in which they should go.
    package var suspend: [Suspension]
    /// What is still over the budget when all of them have gone: load nothing yet, or refuse.
    package var missingBytes: UInt64
    /// When the next one will have been idle for too long; `.never` if time alone changes nothing.
    package var lookAgain: Instant
  }

  /// - Parameter wantedBytes: What is about to be loaded. If there can be no room for it, nothing has to go for it, and
  ///   `missingBytes` says how much there is too little.
  package func verdict(at now: Instant, loaded: [Loaded], wantedBytes: UInt64 = 0) -> Verdict {
    var suspensions: [Suspension] = []
    var lookAgain = Instant.never
    var used = loaded.reduce(wantedBytes) { sum, deployment in
      let (next, overflow) = sum.addingReportingOverflow(deployment.memoryBytes)
      return overflow ? .max : next
    }
    // The least recently used first; names decide between equals, so that the same facts give the same answer.
    let candidates = loaded.filter(\.canLeave).sorted { ($0.lastUsed, $0.name) < ($1.lastUsed, $1.name) }
    var staying: [Loaded] = []
    for deployment in candidates {
      let idle = now.nanoseconds(since: deployment.lastUsed)
      guard let limit = deployment.idleNanoseconds, idle >= limit else {
        staying.append(deployment)
        continue
      }
      suspensions.append(Suspension(name: deployment.name, reason: "no request for \(Self.time(idle))"))
      used -= min(used, deployment.memoryBytes)
    }
    if let budget = memoryBudgetBytes {
      while used > budget, let next = staying.firstIndex(where: { $0.memoryBytes > 0 }) {
        let deployment = staying.remove(at: next)
        let idle = Self.time(now.nanoseconds(since: deployment.lastUsed))
        suspensions.append(
          Suspension(
            name: deployment.name,
            reason: "memory is short by \(Quantity.bytes(Int(clamping: used - budget))) of "
              + "\(Quantity.bytes(Int(clamping: budget))), and it is the least recently used, \(idle) ago"))
        used -= min(used, deployment.memoryBytes)
      }
    }
    for deployment in staying {
      guard let limit = deployment.idleNanoseconds else { continue }
      lookAgain = min(lookAgain, deployment.lastUsed.advanced(byNanoseconds: limit))
    }
    let missing = memoryBudgetBytes.map { used > $0 ? used - $0 : 0 } ?? 0
    if missing > 0, wantedBytes > 0 {
      var without = verdict(at: now, loaded: loaded)
      without.missingBytes = missing
      return without
    }
    return Verdict(suspend: suspensions, missingBytes: missing, lookAgain: lookAgain)
  }

  private static func time(_ nanoseconds: UInt64) -> String {
    ScaleDuration.text(seconds: nanoseconds / 1_000_000_000)
  }
}
