/// Why a request failed, for the person who sent it.
///
/// The code says what the caller can do next, not which layer failed. It is translated to gRPC and to HTTP in one table
/// each, at the edge. The message names the field, what was expected and what came; it never holds tensor contents.
package struct InferenceError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// The request can never succeed as it is.
    case invalidArgument
    /// No such model, version or endpoint.
    case notFound
    /// Not now; the same request may succeed later or elsewhere.
    case unavailable
    /// A limit was reached: queue, memory, message size. Try again later, or smaller.
    case resourceExhausted
    /// The caller's deadline passed before the answer was there.
    case deadlineExceeded
    /// The caller went away.
    case cancelled
    /// Not something this server does.
    case unimplemented
    /// It is there already.
    case alreadyExists
    /// The state of the model or server does not allow it.
    case failedPrecondition
    /// Another change came first. Read what is there now, and decide again.
    case aborted
    /// Nobody says who the caller is, or what says it is not valid.
    case unauthenticated
    /// The caller is known, and may not.
    case permissionDenied
    /// The model or the server failed.
    case `internal`
  }

  package var code: Code
  package var message: String

  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  package static func invalidArgument(_ message: String) -> Self { .init(.invalidArgument, message) }
  package static func notFound(_ message: String) -> Self { .init(.notFound, message) }
  package static func unavailable(_ message: String) -> Self { .init(.unavailable, message) }
  package static func resourceExhausted(_ message: String) -> Self { .init(.resourceExhausted, message) }
  package static func deadlineExceeded(_ message: String) -> Self { .init(.deadlineExceeded, message) }
  package static func cancelled(_ message: String) -> Self { .init(.cancelled, message) }
  package static func unimplemented(_ message: String) -> Self { .init(.unimplemented, message) }
  package static func alreadyExists(_ message: String) -> Self { .init(.alreadyExists, message) }
  package static func failedPrecondition(_ message: String) -> Self { .init(.failedPrecondition, message) }
  package static func aborted(_ message: String) -> Self { .init(.aborted, message) }
  package static func unauthenticated(_ message: String) -> Self { .init(.unauthenticated, message) }
  package static func permissionDenied(_ message: String) -> Self { .init(.permissionDenied, message) }
  package static func `internal`(_ message: String) -> Self { .init(.internal, message) }

  package var description: String { "\(code): \(message)" }
}
