internal import Documents
internal import Inference

package final class Compute: Sendable {
  package init() {}
  internal func check(_ record: DeploymentRecord, beside others: [DeploymentRecord]) throws {}
  internal func apply(_ record: DeploymentRecord, to configuration: inout ModelConfiguration) {}
}
