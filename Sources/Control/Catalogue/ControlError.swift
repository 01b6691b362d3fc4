/// Why the control plane did not do what it was asked, for the person or script that asked.
///
/// The code is one of Azure's where there is one, so that scripts which look at it go on working; each has one HTTP
/// status and one gRPC code, at the edge.
package struct ControlError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: String, Hashable, Sendable, CaseIterable {
    /// The request can never succeed as it is.
    case badArgument = "BadArgument"
    case unauthenticated = "Unauthorized"
    case forbidden = "AuthorizationFailed"
    case notFound = "ResourceNotFound"
    case alreadyExists = "ResourceAlreadyExists"
    /// Another change of the same resource is under way, or the resource's state does not allow this one.
    case conflict = "Conflict"
    /// The resource is not the one that `If-Match` names: somebody changed it in between.
    case preconditionFailed = "PreconditionFailed"
    /// The machine's declared resources have no room for it.
    case outOfQuota = "OutOfQuota"
    /// The deployment did not become ready.
    case resourceNotReady = "ResourceNotReady"
    case operationCanceled = "OperationCanceled"
    case tooLarge = "RequestEntityTooLarge"
    case tooManyRequests = "TooManyRequests"
    /// The server has no room to keep it: a full disk.
    case storageFull = "InsufficientStorage"
    case unavailable = "ServiceUnavailable"
    case notImplemented = "NotImplemented"
    case methodNotAllowed = "MethodNotAllowed"
    case internalError = "InternalServerError"
  }

  package var code: Code
  package var message: String
  /// One line for each thing that is wrong, where there are several.
  package var details: [String]

  package init(_ code: Code, _ message: String, details: [String] = []) {
    self.code = code
    self.message = message
    self.details = details
  }

  package var description: String { "\(code.rawValue): \(message)" }
}
