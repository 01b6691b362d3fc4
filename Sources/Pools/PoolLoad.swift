/// How busy a pool is, and with how many instances: what autoscaling and statistics look at.
package struct PoolLoad: Hashable, Sendable {
  package var queuedRequests = 0
  /// Taken by an instance and not yet answered.
  package var runningRequests = 0
  /// Answered, but held back until an earlier answer leaves.
  package var heldAnswers = 0
  package var instances = Instances()
  /// Busy instances and the batches that wait, for each instance in rotation: 1 is just enough work for all. As sampled
  /// on average since `takeUtilisation()`. Source: the formula of Azure ML's front end, where a batch is one request.
  package var utilisation = 0.0

  /// Instances of a pool by what they do.
  package struct Instances: Hashable, Sendable {
    /// As many as there should be.
    package var wanted = 0
    /// Made, warm, and in rotation.
    package var ready = 0
    /// Those of `ready` that have a batch in hand.
    package var busy = 0
    /// Restarted ones whose run goes on all the same.
    package var abandoned = 0

    package init(wanted: Int = 0, ready: Int = 0, busy: Int = 0, abandoned: Int = 0) {
      self.wanted = wanted
      self.ready = ready
      self.busy = busy
      self.abandoned = abandoned
    }
  }

  package init(
    queuedRequests: Int = 0, runningRequests: Int = 0, instances: Instances = Instances(), utilisation: Double = 0
  ) {
    self.queuedRequests = queuedRequests
    self.runningRequests = runningRequests
    self.instances = instances
    self.utilisation = utilisation
  }

  package var queuedAndRunning: Int { queuedRequests + runningRequests }
}

extension PoolLoad.Instances {
  /// - Parameter waiting: Batches that wait.
  func utilisation(waiting: Double) -> Double { (Double(busy) + waiting) / Double(max(ready, 1)) }
}
