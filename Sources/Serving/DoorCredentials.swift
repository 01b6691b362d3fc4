package import Access
internal import Glibc
package import Inference
internal import Routing

/// What one event loop knows of the credentials that callers show, and the time of day to judge them by.
package struct DoorCredentials {
  package let cache: CredentialCache
  /// Seconds since 1970.
  package let now: () -> Int64

  package init(cache: CredentialCache, now: @escaping () -> Int64 = DoorCredentials.wallClock) {
    self.cache = cache
    self.now = now
  }

  /// The time of day to a few milliseconds, without a system call.
  package static func wallClock() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME_COARSE, &time)
    return Int64(time.tv_sec)
  }
}

/// Who wants in, and where: what is to be verified before the door can decide.
package struct VerificationNeed: Sendable {
  package var credential: PresentedCredential
  /// Empty for an endpoint that does not exist: then only what holds everywhere counts.
  package var endpoint: String
  package var access: EndpointAccess
}

// A refusal by access never says whether there is such an endpoint.
extension ServingDoor {
  /// Whether a caller may look at an endpoint that it scores, or at a repository's model: its metadata, say. Nothing is
  /// admitted.
  ///
  /// - Parameters:
  ///   - certificate: Who the caller is by its client certificate; empty: nobody knows.
  ///   - isPrivate: Whether the caller comes from the operator's own network.
  /// - Returns: nil if it may, or if there is no such endpoint and it may learn that.
  package func checkAccess(
    _ endpoint: UnsafeRawBufferPointer, authorization: UnsafeRawBufferPointer,
    certificate: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0), isPrivate: Bool = false
  ) -> Submission? {
    if board.generation != generation { refresh() }
    if let access = access(to: endpoint, isPrivate: isPrivate),
      let closed = decision(authorization, certificate, access).submission
    {
      return closed
    }
    return isHidden(index(of: endpoint), isPrivate: isPrivate) ? .refused(RoutingTable.unknown(endpoint)) : nil
  }

  /// Whether anybody may know of an endpoint: one of the repository's, or an open one that such a caller finds.
  package func isOpen(_ endpoint: String, isPrivate: Bool = false) -> Bool {
    if board.generation != generation { refresh() }
    var endpoint = endpoint
    return endpoint.withUTF8 { endpoint in
      let endpoint = UnsafeRawBufferPointer(endpoint)
      if isHidden(index(of: endpoint), isPrivate: isPrivate) { return false }
      return access(to: endpoint, isPrivate: isPrivate).map { $0.mode == .open } ?? true
    }
  }

  /// What must be verified after `.needsVerification`.
  package func verificationNeed(
    _ endpoint: UnsafeRawBufferPointer, authorization: UnsafeRawBufferPointer,
    certificate: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0), isPrivate: Bool = false
  ) -> VerificationNeed? {
    guard let access = access(to: endpoint, isPrivate: isPrivate) else { return nil }
    let index = index(of: endpoint)
    let isThere = index >= 0 && !isHidden(index, isPrivate: isPrivate)
    return VerificationNeed(
      credential: PresentedCredential(
        authorization: Array(authorization), certificate: authorization.isEmpty ? Array(certificate) : []),
      endpoint: isThere ? snapshot.routing.routes[index].name : "", access: access)
  }

  /// Keeps what verification found, for the next request.
  package func remember(_ verdict: CredentialVerdict, for need: VerificationNeed) {
    guard let credentials else { return }
    need.credential.authorization.withUnsafeBytes { authorization in
      need.credential.certificate.withUnsafeBytes { certificate in
        credentials.cache.remember(
          verdict, authorization: authorization, certificate: certificate, access: need.access, at: credentials.now())
      }
    }
  }

  /// - Returns: nil if the caller may score.
  func checkAccess(of request: RequestPointer, to policy: EndpointPolicy) -> Submission? {
    if policy.isPrivate, !request.pointee.isPrivate { return refuseUnknown(request) }
    if policy.access.mode == .open { return nil }
    let decision = decision(request.pointee.credential, request.pointee.certificate, policy.access)
    if case .allowed(let caller) = decision { request.pointee.caller = caller }
    return decision.submission
  }

  func refuseUnknown(_ request: RequestPointer) -> Submission {
    if let access = snapshot.unknownAccess,
      let closed = decision(request.pointee.credential, request.pointee.certificate, access).submission
    {
      return closed
    }
    return .refused(RoutingTable.unknown(request.pointee.modelName))
  }

  /// -1: there is no such endpoint.
  private func index(of endpoint: UnsafeRawBufferPointer) -> Int {
    routing._withUnsafeGuaranteedRef { $0.index(of: endpoint) }
  }

  /// Whether an endpoint is there, but not for a caller from outside the operator's network.
  private func isHidden(_ index: Int, isPrivate: Bool) -> Bool {
    guard index >= 0, !isPrivate else { return false }
    return endpoints[index]?._withUnsafeGuaranteedRef { $0.isPrivate } ?? false
  }

  private func access(to endpoint: UnsafeRawBufferPointer, isPrivate: Bool) -> EndpointAccess? {
    let index = index(of: endpoint)
    guard index >= 0, !isHidden(index, isPrivate: isPrivate) else { return snapshot.unknownAccess }
    return endpoints[index]?._withUnsafeGuaranteedRef { $0.access }
  }

  private func decision(
    _ authorization: UnsafeRawBufferPointer, _ certificate: UnsafeRawBufferPointer, _ access: borrowing EndpointAccess
  ) -> CredentialDecision {
    guard let credentials else { return .refused(.unverifiable) }
    return credentials.cache.decision(
      authorization: authorization, certificate: certificate, access: access, at: credentials.now())
  }
}

extension CredentialDecision {
  fileprivate var submission: ServingDoor.Submission? {
    switch self {
    case .allowed: nil
    case .unknown: .needsVerification
    case .refused(let refusal): .refused(InferenceError(refusal))
    }
  }
}

extension InferenceError {
  /// The one place where a refused credential becomes an error of a request.
  package init(_ refusal: CredentialRefusal) {
    let code: Code =
      switch refusal.code {
      case .unauthenticated: .unauthenticated
      case .permissionDenied: .permissionDenied
      case .unavailable: .unavailable
      }
    self.init(code, refusal.message)
  }
}
