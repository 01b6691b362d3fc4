/// How many retries and hedges a client may add to what it sends, by how much of that succeeds.
///
/// A bucket of tokens: a failure takes one out, a success puts `tokensPerSuccess` in, and nothing is sent twice while
/// the bucket is not over half full. Source: gRPC A6, "Throttling Retry Attempts and Hedged RPCs".
public struct RetryBudget: Sendable, Hashable {
  /// Size of the bucket, and its first filling. Over 0.
  public var maxTokens = 100.0
  /// At 0.1 a server that fails one call in eleven, in the long run, gets no retries.
  public var tokensPerSuccess = 0.1

  public init() {}

  public init(maxTokens: Double, tokensPerSuccess: Double) {
    self.maxTokens = maxTokens
    self.tokensPerSuccess = tokensPerSuccess
  }
}

/// The bucket. One an event loop, so that nothing is shared on the way.
package struct RetryThrottle: Sendable, Equatable {
  private let budget: RetryBudget
  package private(set) var tokens: Double

  package init(_ budget: RetryBudget) {
    self.budget = budget
    tokens = budget.maxTokens
  }

  package var allowsMore: Bool { tokens > budget.maxTokens / 2 }

  package mutating func succeeded() {
    if tokens < budget.maxTokens { tokens = min(tokens + budget.tokensPerSuccess, budget.maxTokens) }
  }

  package mutating func failed() { tokens = max(tokens - 1, 0) }
}
