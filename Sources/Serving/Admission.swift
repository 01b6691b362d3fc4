internal import Inference
internal import Synchronization

/// The bound on requests that the whole server has in hand, from the door to the sent answer.
///
/// One counter for all event loops; a request costs two atomic additions.
package final class Admission: Sendable {
  /// Most requests in flight. At least 1.
  package let limit: Int
  private let inFlight = Atomic<Int>(0)

  package init(limit: Int) {
    precondition(limit >= 1, "A server that admits \(limit) requests serves nobody. This is a bug.")
    self.limit = limit
  }

  /// Requests admitted and not yet answered.
  package var requestsInFlight: Int { inFlight.load(ordering: .relaxed) }

  /// Lets one request in, to be balanced by `release`.
  ///
  /// - Throws: `.resourceExhausted` at the limit. The caller may try again later.
  internal func admit() throws(InferenceError) {
    let before = inFlight.wrappingAdd(1, ordering: .relaxed).oldValue
    guard before < limit else {
      inFlight.wrappingSubtract(1, ordering: .relaxed)
      throw .resourceExhausted("\(before) requests are in flight; the limit of this server is \(limit)")
    }
  }

  internal func release() {
    let before = inFlight.wrappingSubtract(1, ordering: .relaxed).oldValue
    precondition(before > 0, "A request was finished that was never admitted. This is a bug.")
  }
}
