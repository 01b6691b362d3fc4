/// What a door does with a request after looking at its credential.
package enum CredentialDecision: Hashable, Sendable {
  /// Let it in. `caller` is a stable number of who it is, for fair shares; 0 where nobody has to say.
  case allowed(caller: UInt64)
  case refused(CredentialRefusal)
  /// Not seen here before: have it verified, `remember` the verdict, and ask again.
  case unknown
}

/// Why a credential does not open an endpoint, in words that its bearer may read.
///
/// They never say whether the endpoint exists. What the operator should know stands in `CredentialVerdict.log`.
package enum CredentialRefusal: UInt8, Hashable, Sendable {
  /// No credential came, or of a kind that isn't accepted here; also for endpoints that don't exist.
  case missing
  case malformed
  case invalid
  case expired
  case forbidden
  /// The issuer of the token can't be asked for its keys at the moment.
  case unverifiable

  package enum Code: Hashable, Sendable {
    /// gRPC UNAUTHENTICATED, HTTP 401: come back with another credential.
    case unauthenticated
    /// gRPC PERMISSION_DENIED, HTTP 403: this credential is good, but not for this.
    case permissionDenied
    /// gRPC UNAVAILABLE, HTTP 503: come back later with the same one.
    case unavailable
  }

  package var code: Code {
    switch self {
    case .missing, .malformed, .invalid, .expired: .unauthenticated
    case .forbidden: .permissionDenied
    case .unverifiable: .unavailable
    }
  }

  /// A literal: reading it allocates nothing.
  package var message: String {
    switch self {
    case .missing: "a credential is required: send 'authorization: Bearer <key or token>'"
    case .malformed: "the authorization header is not understood: expected 'Bearer <key or token>'"
    case .invalid: "the credential is not valid here"
    case .expired: "the credential has expired"
    case .forbidden: "the credential does not allow this"
    case .unverifiable: "the credential can't be verified at the moment; try again later"
    }
  }

  /// Value of the header `www-authenticate` that goes with an HTTP 401. Source: RFC 6750, section 3.
  package var challenge: String {
    switch self {
    case .missing: "Bearer"
    case .malformed: #"Bearer error="invalid_request""#
    case .expired: #"Bearer error="invalid_token", error_description="expired""#
    case .invalid, .unverifiable: #"Bearer error="invalid_token""#
    case .forbidden: #"Bearer error="insufficient_scope""#
    }
  }
}

/// The outcome of verifying a credential for an endpoint, for a door to act on and its cache to remember.
package struct CredentialVerdict: Hashable, Sendable {
  package enum Outcome: Hashable, Sendable {
    case allowed(caller: UInt64)
    case refused(CredentialRefusal)
  }

  package var outcome: Outcome
  /// Second since 1970 from which it has to be verified again.
  package var expires: Int64
  /// `EndpointAccess.generation` at the time of asking.
  package var generation: UInt64
  /// For the operator's log; not for the caller.
  package var log: String

  package init(_ outcome: Outcome, expires: Int64, generation: UInt64, log: String) {
    self.outcome = outcome
    self.expires = expires
    self.generation = generation
    self.log = log
  }
}

/// What came with a request to say who sent it.
package struct PresentedCredential: Hashable, Sendable {
  /// Value of the header `authorization`; empty where there is none.
  package var authorization: [UInt8]
  /// The peer's identity from its client certificate, in the text form of a `PrincipalID`; empty where there is none.
  package var certificate: [UInt8]

  package init(authorization: [UInt8] = [], certificate: [UInt8] = []) {
    self.authorization = authorization
    self.certificate = certificate
  }
}

/// Verifies what an event loop's `CredentialCache` doesn't know. Given to the doors where the server is put together.
package typealias CredentialVerification =
  @Sendable (_ credential: PresentedCredential, _ endpoint: String, _ access: EndpointAccess) async -> CredentialVerdict
