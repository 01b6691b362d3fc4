internal import EventLoops
package import HTTP2
package import Inference
internal import Transport

/// One gRPC call on a server: from the request's headers to the moment when both its stream and its handler are done.
///
/// ```
///            headers        last byte         reply / fail       stream closed
/// (recycled) ───────▶ receiving ─────▶ handling ─────────▶ sending ─────────▶ (recycled)
///                         └──── reset, deadline, lost connection ────▶ abandoned ── reply / fail ──▶ (recycled)
/// ```
///
/// Lives behind a pointer, is recycled by `GRPCLoop`, and belongs to its event loop's thread.
package struct Call {
  /// Nil once the stream is closed.
  package var stream: StreamPointer?
  /// Valid while `stream` is there.
  var connection: Unmanaged<Connection>
  package let loop: Unmanaged<GRPCLoop>
  /// Memory for everything made while answering.
  package let arena: UnsafeMutablePointer<Arena>
  let timer: UnsafeMutablePointer<TimerNode>

  package var method = 0  // index in the method table
  package var arrival = Instant(nanoseconds: 0)
  package var deadline = Instant.never

  var reader = MessageReader()
  package var message = MessageBuffer.none
  var isMessageCompressed = false
  var hasMessage = false
  /// What of the message's block is taken from the memory budget: as much as has come, and some ahead.
  var messageHeldBytes = 0
  /// Bytes of the message since `lastProgress`.
  var bytesSinceProgress = 0
  /// Bytes taken from the memory budget for what was received.
  var heldBytes = 0
  /// Bytes taken for what waits to be sent, as of the last message.
  var outputHeldBytes = 0
  /// Bytes that the connection was told of.
  var connectionHeldBytes = 0
  var lastProgress = Instant(nanoseconds: 0)
  var lastPendingBytes = 0

  var requestEncoding = MessageEncoding.identity
  var responseEncoding = MessageEncoding.identity
  /// Whether the next message is compressed, where an encoding was agreed on.
  var compressesNext = true
  var phase = Phase.receiving
  var hasSentHeaders = false
  /// The handler has the call and will reply or fail.
  var isHandling = false
  /// A streaming call's stream object.
  var serverStream: ServerStream?

  /// Fields of the request's headers that services may ask for.
  var notable: NotableFields = []
  /// Sent instead of the usual response headers; nil on ordinary calls.
  var answerHeaders: PreparedHeaders?
  /// Sent with the response headers, and with the trailers. Empty on ordinary calls.
  package var initialMetadata = HeaderBlock()
  package var trailingMetadata = HeaderBlock()
  /// Links recycled calls.
  var nextFree: CallPointer?
  /// The handler's own, while it has the call.
  package var context: UnsafeMutableRawPointer?

  var certificate: UnsafeRawBufferPointer {
    guard notable.contains(.certificate), stream != nil else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return connection._withUnsafeGuaranteedRef { $0.peerIdentity }
  }

  enum Phase {
    case receiving, handling, sending
    /// Nobody waits for the answer; the handler may still have it.
    case abandoned
  }
}

package typealias CallPointer = UnsafeMutablePointer<Call>

/// A unary call in a handler's hands: the request, and the one answer it must get.
///
/// The handler calls `reply` or `fail` exactly once, on the loop's thread, now or later, also after `cancelled`: only then
/// is the call's memory reused.
package struct UnaryCall {
  package let raw: CallPointer

  package init(_ raw: CallPointer) { self.raw = raw }

  /// The request message, decompressed; valid until `reply` or `fail`.
  package var message: UnsafeRawBufferPointer { UnsafeRawBufferPointer(raw.pointee.message.bytes) }
  package var arena: UnsafeMutablePointer<Arena> { raw.pointee.arena }
  package var arrival: Instant { raw.pointee.arrival }
  package var deadline: Instant { raw.pointee.deadline }
  /// Whether the caller is gone or its deadline has passed.
  package var isAbandoned: Bool { raw.pointee.phase == .abandoned }

  package var context: UnsafeMutableRawPointer? {
    get { raw.pointee.context }
    nonmutating set { raw.pointee.context = newValue }
  }

  /// A request header's value; `-bin` values as they came, in base64. Nil after the caller is gone.
  package func metadata(_ name: StaticString) -> UnsafeRawBufferPointer? {
    raw.pointee.stream?.pointee.headers.value(of: name)
  }

  /// Which of the fields that services ask for the request has.
  package var notable: NotableFields { raw.pointee.notable }

  /// Who the caller is by the certificate of its connection; empty: nobody knows. Valid until the caller is gone.
  package var certificate: UnsafeRawBufferPointer { raw.pointee.certificate }

  /// Whether it came in by one of the server's private addresses.
  package var isPrivate: Bool { raw.pointee.notable.contains(.privateAddress) }

  /// The same for all calls of one connection, and for no other that is open.
  package var connectionID: UInt { UInt(bitPattern: raw.pointee.connection.toOpaque()) }

  /// Has the call end with DEADLINE_EXCEEDED at an instant, if its own deadline is not sooner.
  package func shortenDeadline(to instant: Instant) {
    guard instant < raw.pointee.deadline else { return }
    raw.pointee.deadline = instant
    raw.pointee.loop._withUnsafeGuaranteedRef { $0.armTimer(raw) }
  }

  /// Replaces the response's headers, which must be complete; see `answerHeaders(adding:_:)`. With a failure only what they
  /// have more is sent.
  package func setAnswerHeaders(_ headers: PreparedHeaders) { raw.pointee.answerHeaders = headers }

  /// Whether the request's message came compressed.
  package var wasCompressed: Bool { raw.pointee.isMessageCompressed }

  /// Sent with the response's headers.
  package func addInitialMetadata(_ name: String, _ value: String) {
    raw.pointee.initialMetadata.append(name: name, value: value)
  }

  /// The same for bytes.
  package func addInitialMetadata(_ name: StaticString, _ value: UnsafeRawBufferPointer) {
    raw.pointee.initialMetadata.append(name: name, value: value)
  }

  /// Sent with the status.
  package func addTrailingMetadata(_ name: String, _ value: String) {
    raw.pointee.trailingMetadata.append(name: name, value: value)
  }

  /// Compresses this answer, if the client accepts the encoding.
  package func compressResponse(_ encoding: MessageEncoding) {
    guard let accepted = metadata("grpc-accept-encoding"), encoding.isAccepted(by: accepted) else { return }
    raw.pointee.responseEncoding = encoding
  }

  /// Answers with a message whose first segment begins with `MessagePrefix.byteCount` bytes of room.
  ///
  /// - Parameter segments: Without an owner, bytes must lie in the call's arena.
  package func reply(_ segments: UnsafeMutableBufferPointer<Segment>) {
    raw.pointee.loop._withUnsafeGuaranteedRef { $0.reply(raw, segments) }
  }

  /// Answers with a message that is copied.
  package func reply(_ message: [UInt8]) {
    raw.pointee.loop._withUnsafeGuaranteedRef { $0.reply(raw, copying: message) }
  }

  package func fail(_ status: GRPCStatus) {
    raw.pointee.loop._withUnsafeGuaranteedRef { $0.fail(raw, status) }
  }
}

/// The five bytes before each message on the wire: a compression flag and a 4-byte big-endian length.
package enum MessagePrefix {
  package static let byteCount = 5

  package static func write(to start: UnsafeMutableRawPointer, isCompressed: Bool, length: Int) {
    start.storeBytes(of: isCompressed ? 1 : 0, as: UInt8.self)
    (start + 1).storeBytes(of: UInt32(length).bigEndian, as: UInt32.self)
  }
}
