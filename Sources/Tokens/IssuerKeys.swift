internal import Access
internal import FoundationEssentials

/// The keys of one issuer, as fresh as they must be and fetched as seldom as they can be.
///
/// Fetched when they have got old, and when a token names a key that isn't there: issuers rotate. Never by two at once, nor
/// more often than every `retrySeconds`, whatever tokens come in. While the issuer is down the keys that are there go on, for
/// `maxStaleSeconds`.
///
/// ```
/// fetched ───── fresh, by cache-control, bounded ─────┬──── stale: fetch, and go on if that fails ────┬── no keys
///                                                  freshUntil                                     usableUntil
/// ```
actor IssuerKeys {
  struct Limits: Hashable, Sendable {
    /// Bounds of how long keys are fresh, whatever the issuer says, in seconds.
    var freshSeconds: ClosedRange<Int64> = 60...86_400
    /// Where the issuer says nothing.
    var defaultFreshSeconds: Int64 = 3600
    var maxStaleSeconds: Int64 = 86_400
    /// Shortest time between two fetches that new tokens asked for, and the first one after a failure.
    var retrySeconds: Int64 = 30
    /// Longest time between two after many failures.
    var maxRetrySeconds: Int64 = 600
    /// Longest discovery document and longest key set.
    var maxDocumentBytes = 262_144
  }

  private let issuer: String
  private let source: any DocumentSource
  private let limits: Limits

  private var keys: VerificationKeys?
  private var freshUntil = Int64.min
  private var usableUntil = Int64.min
  private var nextFetch = Int64.min
  private var failures = 0
  private var lastFailure: TokenFailure?
  private var fetching: Task<Void, Never>?

  init(issuer: String, source: any DocumentSource, limits: Limits = Limits()) {
    self.issuer = issuer
    self.source = source
    self.limits = limits
  }

  /// The key that signed a token.
  ///
  /// - Parameter now: In seconds since 1970.
  /// - Throws: `.invalid` if the issuer has no such key; `.unverifiable` if it isn't among those known and the issuer can't be
  ///   asked.
  func key(for token: CompactToken, at now: Int64) async throws(TokenFailure) -> VerificationKey {
    if now >= freshUntil { await fetchOnce(at: now) }
    if let key = usable(at: now)?.key(for: token) { return key }
    await fetchOnce(at: now)
    guard let keys = usable(at: now) else {
      throw lastFailure ?? TokenFailure(.unverifiable, "\(issuer): its keys are not known")
    }
    guard let key = keys.key(for: token) else {
      // It may be one that the issuer has by now, if only it could be asked.
      if let lastFailure { throw lastFailure }
      throw .invalid("token: kid: '\(token.keyID ?? "")' is no key of \(issuer)")
    }
    return key
  }

  private func usable(at now: Int64) -> VerificationKeys? { now < usableUntil ? keys : nil }

  /// Fetches, or waits for the fetch under way, or does nothing if it is too early for another one.
  private func fetchOnce(at now: Int64) async {
    if let fetching {
      await fetching.value
      return
    }
    guard now >= nextFetch else { return }
    let task = Task { await self.fetch(at: now) }
    fetching = task
    await task.value
  }

  private func fetch(at now: Int64) async {
    do throws(TokenFailure) {
      let (fetched, seconds) = try await fetchKeys()
      keys = fetched
      let fresh = min(max(seconds ?? limits.defaultFreshSeconds, limits.freshSeconds.lowerBound), limits.freshSeconds.upperBound)
      freshUntil = now + fresh
      usableUntil = freshUntil + limits.maxStaleSeconds
      nextFetch = now + limits.retrySeconds
      failures = 0
      lastFailure = nil
    } catch {
      nextFetch = now + min(limits.maxRetrySeconds, limits.retrySeconds << Int64(min(failures, 16)))
      failures += 1
      lastFailure = error
    }
    fetching = nil
  }

  private func fetchKeys() async throws(TokenFailure) -> (VerificationKeys, freshSeconds: Int64?) {
    // Source: OpenID Connect Discovery 1.0, section 4: "any terminating / MUST be removed before appending".
    let start = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
    let discovery = try await document(at: start + "/.well-known/openid-configuration")
    guard let json = try? JSONDecoder().decode(JSONValue.self, from: Data(discovery.bytes)) else {
      throw TokenFailure(.unverifiable, "\(issuer): its discovery document is not JSON")
    }
    // Section 4.3: "The issuer value returned MUST be identical to the Issuer URL".
    guard json["issuer"]?.string == issuer else {
      let found = (json["issuer"]?.string ?? "").prefix(256)
      throw TokenFailure(.unverifiable, "\(issuer): its discovery document is that of '\(found)'")
    }
    guard let address = json["jwks_uri"]?.string, let parts = IssuerAddress(address),
      parts.isSecure || IssuerAddress(issuer)?.isSecure == false
    else {
      throw TokenFailure(
        .unverifiable, "\(issuer): jwks_uri: expected an https address, got '\((json["jwks_uri"]?.string ?? "").prefix(256))'")
    }
    let keySet = try await document(at: address)
    do throws(TokenFailure) {
      return (try await VerificationKeys(keySet.bytes), keySet.freshSeconds)
    } catch {
      throw TokenFailure(error.refusal, "\(issuer): \(error.log)")
    }
  }

  private func document(at address: String) async throws(TokenFailure) -> FetchedDocument {
    do throws(DocumentError) {
      return try await source.document(at: address, maxBytes: limits.maxDocumentBytes)
    } catch {
      throw TokenFailure(.unverifiable, "\(issuer): \(error.description)")
    }
  }
}
