/// Why a call has no answer, in words for the person who made it.
public struct ClientError: Error, Sendable, Hashable, CustomStringConvertible {
  /// Who found out.
  public enum Origin: Sendable, Hashable {
    /// The server answered with this status.
    case server
    /// There was no connection, or it was lost.
    case connection
    /// This side gave up, or could make nothing of the answer.
    case client
  }

  public var origin: Origin
  public var code: StatusCode
  public var message: String
  /// What the server sent along with its status.
  public var trailers: Metadata
  /// Whether the server may have run the call: false only where it surely did not, and it can be made again with no
  /// harm.
  public var mayHaveRun: Bool

  /// - Parameter mayHaveRun: Nil: exactly if the server answered.
  public init(
    _ origin: Origin, _ code: StatusCode, _ message: String, trailers: Metadata = Metadata(), mayHaveRun: Bool? = nil
  ) {
    self.origin = origin
    self.code = code
    self.message = message
    self.trailers = trailers
    self.mayHaveRun = mayHaveRun ?? (origin == .server)
  }

  /// What the server said about the failure to programs, such as `google.rpc.RetryInfo`.
  public var details: [StatusDetail] {
    trailers.bytes(of: "grpc-status-details-bin").map(StatusDetail.all) ?? []
  }

  /// The message; with the status in front where the server sent it.
  public var description: String { origin == .server ? "\(code): \(message)" : message }
}
