package import Access

/// Why a token was not accepted: what its bearer may know, and what the operator should.
package struct TokenFailure: Error, Hashable, Sendable {
  package var refusal: CredentialRefusal
  /// Names the claim, what was expected and what came; never the token.
  package var log: String

  package init(_ refusal: CredentialRefusal, _ log: String) {
    self.refusal = refusal
    self.log = log
  }

  static func invalid(_ log: String) -> TokenFailure { TokenFailure(.invalid, log) }
}
