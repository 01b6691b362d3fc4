/// Why a call has no answer, in words for the person who made it.
public struct ClientError: Error, Sendable, Hashable, CustomStringConvertible {
  /// Who found out.
  public enum Origin: Sendable, Hashable {
    /// The server answered with this status.
    case server
    /// There was no connection, or it was lost: whether the server saw the call is not known.
    case connection
    /// This side gave up, or could make nothing of the answer.
    case client
  }

  public var origin: Origin
  public var code: StatusCode
  public var message: String
  /// What the server sent along with its status.
  public var trailers: Metadata

  public init(_ origin: Origin, _ code: StatusCode, _ message: String, trailers: Metadata = Metadata()) {
    self.origin = origin
    self.code = code
    self.message = message
    self.trailers = trailers
  }

  /// The message; with the status in front where the server sent it.
  public var description: String { origin == .server ? "\(code): \(message)" : message }
}
