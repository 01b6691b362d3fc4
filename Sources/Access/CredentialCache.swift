/// What one event loop remembers of credentials that were verified, so that verification isn't paid for by every request.
///
/// Fixed memory, no lock, and nothing allocated by a hit: a credential is hashed under a secret seed and its 128-bit tag
/// compared with the four places where it can be. The credential itself is not kept. Refusals have places of their own, so
/// that a flood of bad credentials can't push out good ones; and a key is checked right here, without asking anybody.
///
/// ```
/// "Bearer eyJh…" ─SipHash─▶ tag ─▶ set ─▶ [ tag·endpoint·generation·expires → caller | … 4 places … ]
/// ```
///
/// Not `Sendable`: it belongs to the loop that made it. Time is seconds since 1970, passed in.
package final class CredentialCache {
  package struct Limits: Hashable, Sendable {
    /// Places for credentials that were let in; rounded up to four times a power of two. 48 bytes each.
    package var allowed = 4096
    /// Places for those that weren't.
    package var refused = 1024
    /// Longest value of the header `authorization`. A longer one is malformed.
    package var maxCredentialBytes = 16_384
    /// Longest that a refusal is remembered, in seconds: its reason may go away without notice.
    package var refusalSeconds: Int64 = 5
    /// How long a key that was found right is remembered, in seconds. Rotation takes effect at once, by the generation.
    package var keySeconds: Int64 = 3600

    package init() {}
  }

  private let limits: Limits
  private let bearerSeed: HashSeed
  private let certificateSeed: HashSeed
  private let allowed: CredentialTable
  private let refused: CredentialTable

  package init(seed: HashSeed, limits: Limits = Limits()) {
    self.limits = limits
    bearerSeed = seed
    // Another function for each kind of credential, so that the text of a certificate's name is no bearer token.
    certificateSeed = HashSeed(first: ~seed.first, second: seed.second)
    allowed = CredentialTable(places: limits.allowed)
    refused = CredentialTable(places: limits.refused)
  }

  deinit {
    allowed.deallocate()
    refused.deallocate()
  }

  /// Says what to do with a request.
  ///
  /// - Parameters:
  ///   - authorization: Value of the header `authorization`; empty where there is none.
  ///   - certificate: The peer's identity from its client certificate, as in `PresentedCredential`. Counts only where no
  ///     authorization came.
  package func decision(
    authorization: UnsafeRawBufferPointer, certificate: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    access: borrowing EndpointAccess, at now: Int64
  ) -> CredentialDecision {
    if case .open = access.mode { return .allowed(caller: 0) }
    let tag: SipTag
    if authorization.count > 0 {
      guard authorization.count <= limits.maxCredentialBytes, let credential = BearerCredential.text(of: authorization)
      else { return .refused(.malformed) }
      tag = SipTag(credential, seed: bearerSeed)
      if let caller = allowed.value(tag, access, at: now) { return .allowed(caller: caller) }
      if case .key = access.mode, let caller = access.holder(of: credential) {
        allowed.insert(
          tag, endpoint: access.endpoint, generation: access.generation, expires: now &+ limits.keySeconds, value: caller,
          at: now)
        return .allowed(caller: caller)
      }
      // What can be neither a token nor a principal's secret is refused here and isn't remembered. Those two are looked at
      // even where keys are asked for: the answer to their bearer must not depend on what there is.
      if !BearerCredential.mayBeToken(credential), !PrincipalSecret.mayBeSecret(credential) { return .refused(.invalid) }
    } else if certificate.count > 0 {
      tag = SipTag(certificate, seed: certificateSeed)
      if let caller = allowed.value(tag, access, at: now) { return .allowed(caller: caller) }
    } else {
      return .refused(.missing)
    }
    if let reason = refused.value(tag, access, at: now) {
      return .refused(CredentialRefusal(rawValue: UInt8(truncatingIfNeeded: reason)) ?? .invalid)
    }
    return .unknown
  }

  /// Keeps what verification found, for the next request with the same credential.
  ///
  /// A verdict from before the endpoint changed does no harm: its generation no longer fits.
  package func remember(
    _ verdict: CredentialVerdict, authorization: UnsafeRawBufferPointer,
    certificate: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0), access: borrowing EndpointAccess,
    at now: Int64
  ) {
    let tag: SipTag
    if authorization.count > 0 {
      guard authorization.count <= limits.maxCredentialBytes, let credential = BearerCredential.text(of: authorization)
      else { return }
      tag = SipTag(credential, seed: bearerSeed)
    } else if certificate.count > 0 {
      tag = SipTag(certificate, seed: certificateSeed)
    } else {
      return
    }
    switch verdict.outcome {
    case .allowed(let caller):
      allowed.insert(
        tag, endpoint: access.endpoint, generation: verdict.generation, expires: verdict.expires, value: caller, at: now)
    case .refused(let refusal):
      let latest = now.addingReportingOverflow(limits.refusalSeconds)
      refused.insert(
        tag, endpoint: access.endpoint, generation: verdict.generation,
        expires: min(verdict.expires, latest.overflow ? .max : latest.partialValue), value: UInt64(refusal.rawValue),
        at: now)
    }
  }
}
