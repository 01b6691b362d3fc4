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
  /// - Returns: nil if it may.
  package func checkAccess(
    _ endpoint: UnsafeRawBufferPointer, authorization: UnsafeRawBufferPointer
  ) -> Submission? {
    if board.generation != generation { refresh() }
    guard let access = access(to: endpoint) else { return nil }
    return decision(authorization, access).submission
  }

  /// Whether anybody may know of an endpoint: one of the repository's, or an open one.
  package func isOpen(_ endpoint: UnsafeRawBufferPointer) -> Bool {
    if board.generation != generation { refresh() }
    return access(to: endpoint).map { $0.mode == .open } ?? true
  }

  /// The same for a name in everyday form.
  package func isOpen(_ endpoint: String) -> Bool {
    var endpoint = endpoint
    return endpoint.withUTF8 { isOpen(UnsafeRawBufferPointer($0)) }
  }

  /// What must be verified after `.needsVerification`.
  package func verificationNeed(
    _ endpoint: UnsafeRawBufferPointer, authorization: UnsafeRawBufferPointer
  ) -> VerificationNeed? {
    guard let access = access(to: endpoint) else { return nil }
    let index = routing._withUnsafeGuaranteedRef { $0.index(of: endpoint) }
    return VerificationNeed(
      credential: PresentedCredential(authorization: Array(authorization)),
      endpoint: index < 0 ? "" : snapshot.routing.routes[index].name, access: access)
  }

  /// Keeps what verification found, for the next request.
  package func remember(_ verdict: CredentialVerdict, for need: VerificationNeed) {
    guard let credentials else { return }
    need.credential.authorization.withUnsafeBytes {
      credentials.cache.remember(verdict, authorization: $0, access: need.access, at: credentials.now())
    }
  }

  /// - Returns: nil if the caller may score.
  func checkAccess(of request: RequestPointer, to policy: EndpointPolicy) -> Submission? {
    if policy.access.mode == .open { return nil }
    let decision = decision(request.pointee.credential, policy.access)
    if case .allowed(let caller) = decision { request.pointee.caller = caller }
    return decision.submission
  }

  func refuseUnknown(_ request: RequestPointer) -> Submission {
    if let access = snapshot.unknownAccess, let closed = decision(request.pointee.credential, access).submission {
      return closed
    }
    return .refused(RoutingTable.unknown(request.pointee.modelName))
  }

  private func access(to endpoint: UnsafeRawBufferPointer) -> EndpointAccess? {
    let index = routing._withUnsafeGuaranteedRef { $0.index(of: endpoint) }
    guard index >= 0 else { return snapshot.unknownAccess }
    return endpoints[index]?._withUnsafeGuaranteedRef { $0.access }
  }

  private func decision(
    _ authorization: UnsafeRawBufferPointer, _ access: borrowing EndpointAccess
  ) -> CredentialDecision {
    guard let credentials else { return .refused(.unverifiable) }
    return credentials.cache.decision(authorization: authorization, access: access, at: credentials.now())
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
