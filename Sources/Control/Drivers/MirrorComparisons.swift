internal import Inference
internal import Rollouts
package import Serving
internal import Threads

/// How the answers of shadows differ from the live ones, by endpoint.
///
/// A comparison begins anew when another deployment becomes the shadow, and when somebody asks for it.
package final class MirrorComparisons: MirrorObserver {
  internal struct Comparison: Sendable {
    var live: String
    var shadow: String
    var comparison = OutputComparison()
  }

  private let comparisons = Locked<[String: Comparison]>([:])

  package init() {}

  package func observe(_ pair: borrowing MirroredPair) {
    let (endpoint, live, shadow) = (pair.endpoint, pair.liveDeployment, pair.shadowDeployment)
    // Only the mirror's thread changes comparisons; the lock is for those who look.
    var one = comparisons.withLock { $0[endpoint] } ?? Comparison(live: live, shadow: shadow)
    if one.shadow != shadow { one = Comparison(live: live, shadow: shadow) }
    one.live = live
    switch pair.shadow {
    case .failure: one.comparison.shadowFailed()
    case .outputs(let outputs): one.comparison.compare(live: pair.live, shadow: outputs, requestID: "")
    }
    let changed = one
    comparisons.withLock { $0[endpoint] = changed }
  }

  internal func comparison(of endpoint: String) -> Comparison? { comparisons.withLock { $0[endpoint] } }

  /// Sums since the comparison began.
  internal func measurement(of endpoint: String) -> MirrorMeasurement {
    guard let report = comparison(of: endpoint)?.comparison.report else { return MirrorMeasurement() }
    return MirrorMeasurement(
      compared: report.comparedRequests + report.shadowFailures, mismatched: report.mismatchedRequests + report.shadowFailures)
  }

  internal func forget(_ endpoint: String) { comparisons.withLock { _ = $0.removeValue(forKey: endpoint) } }
}
