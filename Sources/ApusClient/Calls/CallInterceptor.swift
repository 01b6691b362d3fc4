/// Something that every call of a client passes: sees it start and may change its metadata, and sees how it ended.
///
/// A call is seen once, however often it is sent. Both methods are called in line, so they must not block; the first on
/// the caller's task, in the order of the client's list, the second in reverse order.
public protocol CallInterceptor: Sendable {
  /// - Throws: What fails the call before anything of it is sent.
  func started(_ call: inout CallHead) throws(ClientError)

  func ended(_ call: CallHead, _ outcome: CallResult)
}

extension CallInterceptor {
  public func started(_ call: inout CallHead) throws(ClientError) {}
  public func ended(_ call: CallHead, _ outcome: CallResult) {}
}

/// A call before it is sent.
public struct CallHead: Sendable {
  /// `/package.Service/Method`.
  public let method: String
  /// Whether it is a stream of messages rather than one.
  public let isStream: Bool
  /// What is sent, without credentials.
  public var metadata: Metadata
}

/// How a call ended.
public struct CallResult: Sendable {
  /// Nil: with OK.
  public let error: ClientError?
  /// What the server sent before its answer, and after it. Empty where nobody looks: see `CallInterceptor`.
  public let metadata: Metadata
  public let trailers: Metadata
  /// Since its start, all attempts included.
  public let duration: Duration
  /// Times that it was sent.
  public let attempts: Int

  public var code: StatusCode { error?.code ?? .ok }
}
