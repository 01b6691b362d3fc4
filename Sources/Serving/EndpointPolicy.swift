package import Access
internal import Inference

/// What the front door asks and promises of one endpoint of the catalogue, beside where its requests go.
///
/// A model of a repository has none: anybody may call it, and nothing is counted.
package final class EndpointPolicy: Sendable {
  package let name: String
  /// Who may call it.
  package let access: EndpointAccess
  /// Longest that a call may take, from its arrival; `.zero`: no limit but the caller's.
  package let requestTimeout: Duration
  /// Kept by the control plane over changes of everything else.
  package let limiter: RequestLimiter?
  /// Whether only requests from the operator's own network find it: to others there is no such endpoint.
  package let isPrivate: Bool
  /// Whether answers say which deployment gave them.
  package let saysDeployment: Bool
  /// Whether answers to mirrored requests are compared with the shadow's.
  package let comparesMirror: Bool
  let timeoutNanoseconds: UInt64

  package init(
    name: String, access: EndpointAccess, requestTimeout: Duration = .zero, limiter: RequestLimiter? = nil,
    isPrivate: Bool = false, saysDeployment: Bool = true, comparesMirror: Bool = false
  ) {
    self.name = name
    self.access = access
    self.requestTimeout = requestTimeout
    self.limiter = limiter
    self.isPrivate = isPrivate
    self.saysDeployment = saysDeployment
    self.comparesMirror = comparesMirror
    timeoutNanoseconds = requestTimeout > .zero ? requestTimeout.wholeNanoseconds : .max
  }
}

/// The same of one deployment.
package struct DeploymentPolicy: Sendable {
  /// Azure's `request_timeout_ms`; `.zero`: none.
  package var requestTimeout = Duration.zero
  /// Where its requests are counted; nil: nowhere.
  package var meter: DeploymentMeter?

  package init(requestTimeout: Duration = .zero, meter: DeploymentMeter? = nil) {
    self.requestTimeout = requestTimeout
    self.meter = meter
  }
}
