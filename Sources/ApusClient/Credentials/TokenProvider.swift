internal import Inference
internal import Threads

/// Fetches tokens with a closure of the application's: when the first call needs one, and ahead of each one's expiry.
///
/// However many calls wait, one fetch runs. A failed fetch fails the calls that wait for it; while the old token is
/// still good it is used on. Share one provider between clients that use the same tokens.
public final class TokenProvider: Sendable {
  private let fetchToken: @Sendable () async throws -> AccessToken
  private let state: Locked<Waiting>

  private struct Waiting {
    var token: TokenState
    var fetch: Task<String, any Error>?
  }

  /// - Parameters:
  ///   - refreshAhead: How long before a token's expiry the next is fetched.
  ///   - fetch: Called on no particular thread. What it throws is in the failing call's message.
  public init(refreshAhead: Duration = .seconds(60), _ fetch: @escaping @Sendable () async throws -> AccessToken) {
    fetchToken = fetch
    state = Locked(Waiting(token: TokenState(refreshAhead: refreshAhead)))
  }

  /// The token for a call that starts now.
  ///
  /// - Throws: `.unauthenticated` with the reason when none can be had.
  func token() async throws(ClientError) -> String {
    let found = state.withLock { state -> (token: String?, fetch: Task<String, any Error>?) in
      switch state.token.verdict(at: .now()) {
      case .use(let token): return (token, nil)
      case .useAndFetch(let token):
        state.fetch = startFetch()
        return (token, nil)
      case .fetch:
        let fetch = startFetch()
        state.fetch = fetch
        return (nil, fetch)
      case .wait: return (nil, state.fetch)
      }
    }
    if let token = found.token { return token }
    do {
      guard let fetch = found.fetch else { throw CancellationError() }
      return try await fetch.value
    } catch {
      throw ClientError(.client, .unauthenticated, "no token for the call: \(error)")
    }
  }

  /// The server answered UNAUTHENTICATED to it.
  func refused(_ token: String) { state.withLock { $0.token.refused(token) } }

  /// A task of nobody's: callers that wait may be cancelled without taking the token from the others.
  private func startFetch() -> Task<String, any Error> {
    Task {
      do {
        let token = try await fetchToken()
        state.withLock { $0.token.fetched(token.value, lifetime: token.lifetime, at: .now()) }
        return token.value
      } catch {
        state.withLock { $0.token.failed(at: .now()) }
        throw error
      }
    }
  }
}
