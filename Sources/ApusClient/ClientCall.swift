internal import GRPC
internal import HTTP2
internal import Inference

/// One unary call: its request headers, and what has come back so far.
final class ClientCall {
  let deadline: Instant
  /// Whether the stream is gone: nothing more will come.
  private(set) var isOver = false

  private let path: String
  private let metadata: Metadata
  private let maxMessageBytes: Int
  private var initialMetadata = Metadata()
  private var trailers = Metadata()
  private var httpStatus = 0
  /// The five bytes before the message: a compression flag and a big-endian length.
  private var prefix: [UInt8] = []
  private var expectedBytes = 0
  private var message: [UInt8] = []
  private var hasEnded = false
  private var resetCode: UInt32 = 0
  /// What this side refused.
  private var refusal: ClientError?

  init(path: String, metadata: Metadata, deadline: Instant, maxMessageBytes: Int) {
    self.path = path
    self.metadata = metadata
    self.deadline = deadline
    self.maxMessageBytes = maxMessageBytes
  }

  /// Opens the stream and enqueues the whole request. Nil if the session takes no more streams.
  ///
  /// - Parameter message: Stays where it is until the session or the stream is gone.
  func open(
    on session: HTTP2Session, authority: String, isSecure: Bool, _ message: UnsafeRawBufferPointer
  ) -> StreamPointer? {
    var headers = HeaderBlock()
    defer { headers.deallocate() }
    headers.append(name: ":method", value: "POST")
    headers.append(name: ":scheme", value: isSecure ? "https" : "http")
    headers.append(name: ":path", value: path)
    headers.append(name: ":authority", value: authority)
    headers.append(name: "te", value: "trailers")
    headers.append(name: "content-type", value: "application/grpc+proto")
    headers.append(name: "user-agent", value: "apus-client")
    if deadline != .never {
      let left = max(deadline.nanoseconds(since: .now()), 1)
      headers.append(name: "grpc-timeout", value: formatGRPCTimeout(nanoseconds: left))
    }
    for field in metadata.fields { headers.append(name: field.name, value: field.value) }

    guard let stream = session.request(headers, endStream: false) else { return nil }
    session.enqueue(MessageHead(count: message.count).segment(), on: stream)
    if !message.isEmpty { session.enqueue(Segment(bytes: message), on: stream) }
    session.finish(stream)
    return stream
  }

  // MARK: The answer

  func handle(_ event: HTTP2Event, _ session: HTTP2Session) {
    guard let stream = event.stream else { return }
    switch event.kind {
    case .headers:
      if stream.pointee.headersTooLarge { refuse(.resourceExhausted, "the answer's headers are too large") }
      httpStatus = stream.pointee.headers.value(of: ":status").flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
      initialMetadata = Metadata(stream.pointee.headers)
    case .trailers:
      trailers = Metadata(stream.pointee.trailers)
    case .data:
      take(event.bytes)
      session.consume(event.bytes.count, of: stream)
    case .endOfStream:
      hasEnded = true
      // The answer is complete; what the server has not read of the request it does not want.
      session.reset(stream, code: .cancel)
    case .closed:
      isOver = true
      resetCode = event.code
    case .drained, .pingAcknowledged, .pingReceived, .goAway: break
    }
    if refusal != nil { session.reset(stream, code: .cancel) }
  }

  private func take(_ bytes: UnsafeRawBufferPointer) {
    guard refusal == nil else { return }
    let head = bytes.prefix(5 - prefix.count)
    prefix += head
    guard prefix.count == 5 else { return }
    if !head.isEmpty {
      expectedBytes = prefix[1...].reduce(0) { $0 << 8 | Int($1) }
      if prefix[0] != 0 { return refuse(.internal, "the answer is compressed, which was not asked for") }
      if expectedBytes > maxMessageBytes {
        return refuse(
          .resourceExhausted, "the answer has \(expectedBytes) bytes; this channel takes \(maxMessageBytes)")
      }
      message.reserveCapacity(expectedBytes)
    }
    message += UnsafeRawBufferPointer(rebasing: bytes.dropFirst(head.count))
    if message.count > expectedBytes { refuse(.internal, "the server sent more than one message for a unary call") }
  }

  private func refuse(_ code: StatusCode, _ text: String) {
    if refusal == nil { refusal = ClientError(.client, code, text) }
  }

  /// The answer, once the call is over.
  ///
  /// - Throws: The server's status if it is not OK, or what was wrong with the answer.
  func reply() throws(ClientError) -> Channel.Reply {
    if let refusal { throw refusal }
    guard hasEnded || resetCode != HTTP2ErrorCode.refusedStream.rawValue else {
      throw ClientError(.connection, .unavailable, "the server is going away and did not take the call")
    }
    guard hasEnded else {
      throw ClientError(
        .server, StatusCode(resetCode: resetCode), "the server reset the call (HTTP/2 error \(resetCode))")
    }
    // A call that fails at once is answered by headers alone ("Trailers-Only").
    let ending = trailers["grpc-status"] == nil ? initialMetadata : trailers
    guard let number = ending["grpc-status"].flatMap({ Int($0) }) else {
      throw ClientError(
        .server, StatusCode(httpStatus: httpStatus), "the answer is not gRPC: HTTP status \(httpStatus)")
    }
    let code = StatusCode(rawValue: number) ?? .unknown
    guard code == .ok else {
      throw ClientError(
        .server, code, percentDecoded((ending["grpc-message"] ?? "").utf8), trailers: ending.withoutStatus)
    }
    guard prefix.count == 5, message.count == expectedBytes else {
      throw ClientError(.client, .internal, "the server reported success without a complete message")
    }
    return Channel.Reply(message: message, metadata: initialMetadata, trailers: trailers.withoutStatus)
  }
}

extension Metadata {
  /// What the application sent: the fields without gRPC's own.
  fileprivate var withoutStatus: Metadata {
    var rest = Metadata()
    for field in fields where field.name != "grpc-status" && field.name != "grpc-message" {
      rest.append(field.name, field.value)
    }
    return rest
  }
}

/// The five bytes in front of a request's message, alive until they are sent.
private final class MessageHead {
  private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 5, alignment: 1)

  init(count: Int) {
    bytes[0] = 0
    for index in 0..<4 { bytes[1 + index] = UInt8(truncatingIfNeeded: count >> (24 - 8 * index)) }
  }

  deinit { bytes.deallocate() }

  func segment() -> Segment { Segment(bytes: UnsafeRawBufferPointer(bytes), owner: .passRetained(self)) }
}
