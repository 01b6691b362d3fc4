/// How a call ended. Source: gRPC, "Status codes and their use in gRPC" (statuscodes.md).
package struct GRPCStatus: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Int, Sendable, CaseIterable {
    case ok = 0
    case cancelled = 1
    case unknown = 2
    case invalidArgument = 3
    case deadlineExceeded = 4
    case notFound = 5
    case alreadyExists = 6
    case permissionDenied = 7
    case resourceExhausted = 8
    case failedPrecondition = 9
    case aborted = 10
    case outOfRange = 11
    case unimplemented = 12
    case `internal` = 13
    case unavailable = 14
    case dataLoss = 15
    case unauthenticated = 16
  }

  package var code: Code
  /// For people. UTF-8; percent-encoded on the wire.
  package var message: String
  /// A serialised `google.rpc.Status` for programs, sent as `grpc-status-details-bin`. Empty: none.
  package var details: [UInt8]

  package init(_ code: Code, _ message: String = "", details: [UInt8] = []) {
    self.code = code
    self.message = message
    self.details = details
  }

  package static let ok = GRPCStatus(.ok)

  package var description: String { "\(code) (\(code.rawValue)): \(message)" }
}
