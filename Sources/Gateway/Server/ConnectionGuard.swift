internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1
internal import NIOSSL
internal import Transport

/// Stands between a connection (or a stream of HTTP/2) and the requests on it: sees who is slow, who is gone, and ends
/// what can't go on.
///
/// - A body that takes longer than `bodyTimeout`, or a large one that brings less than `bodyProgressBytes` in such a time,
///   becomes an error, and the request is answered with 408.
/// - `Expect: 100-continue` is answered, so that clients such as curl send their body at once.
/// - After a response that closes a connection, what the client still sends is thrown away for `lingerTimeout`, so that the response
///   arrives (RFC 9112, section 9.6: "the server's final response might be erased" by a reset otherwise).
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  /// The body took too long.
  struct SlowBody: Error {}

  private let registry: ConnectionRegistry
  private let limits: GatewayLimits
  private let identifyPeer: PeerIdentification?
  private let watch = ConnectionWatch()
  private var timer: Scheduled<Void>?
  private var isReadingRequest = false
  private var isThrowingAway = false
  /// The answer is out before the body is in.
  private var isAnswered = false
  /// Bytes of the body since its time began anew.
  private var progress = 0
  private var isHTTP1 = true

  init(registry: ConnectionRegistry, limits: GatewayLimits, identifyPeer: PeerIdentification?) {
    self.registry = registry
    self.identifyPeer = identifyPeer
    self.limits = limits
  }

  func handlerAdded(context: ChannelHandlerContext) {
    isHTTP1 = (try? context.pipeline.syncOperations.handler(type: HTTP1ToHTTPServerCodec.self)) != nil
    // A stream of HTTP/2 has its connection for a parent.
    guard let connection = isHTTP1 ? context.channel : context.channel.parent else { return }
    watch.begin(on: connection, certificate: identity(of: connection) ?? "")
    registry.add(watch, for: context.channel)
  }

  /// Who the client is by its certificate. The handshake is over by now.
  private func identity(of connection: any Channel) -> String? {
    guard let identifyPeer, connection.eventLoop.inEventLoop,
      let certificate = try? connection.pipeline.syncOperations.nioSSL_peerCertificate(),
      let bytes = try? certificate.toDERBytes(), let names = PeerCertificate(der: bytes)
    else { return nil }
    return identifyPeer(names)
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    timer?.cancel()
    registry.remove(context.channel)
  }

  func channelInactive(context: ChannelHandlerContext) {
    timer?.cancel()
    watch.leave()
    registry.remove(context.channel)
    context.fireChannelInactive()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if let event = event as? ChannelEvent, event == .inputClosed { watch.leave() }
    context.fireUserInboundEventTriggered(event)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if isThrowingAway { return }
    switch unwrapInboundIn(data) {
    case .head(let head):
      isReadingRequest = true
      isAnswered = false
      watch.beginRequest()
      beginTime(context)
      greet(head, context)
    case .body(let part):
      progress += part.readableBytes
      if !isAnswered, progress >= limits.bodyProgressBytes { beginTime(context) }
    case .end:
      isReadingRequest = false
      timer?.cancel()
      watch.endBody()
    }
    context.fireChannelRead(data)
  }

  private func beginTime(_ context: ChannelHandlerContext) {
    progress = 0
    schedule(limits.bodyTimeout, context) { me, context in
      me.watch.closeAfterResponse()
      context.fireErrorCaught(SlowBody())
    }
  }

  private func greet(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
    guard let expectation = head.headerFields[.expect], expectation.lowercased() == "100-continue" else { return }
    // One that is too large is answered with 413, and never sent.
    if let length = head.headerFields[.contentLength].flatMap({ Int($0) }), length > limits.maxBodyBytes { return }
    context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    switch unwrapOutboundIn(data) {
    case .head(var head) where isHTTP1 && head.status.code >= 200 && watch.closesAfterResponse:
      head.headerFields[.connection] = "close"
      context.write(wrapOutboundOut(.head(head)), promise: promise)
    case .end where watch.closesAfterResponse:
      context.write(data, promise: promise)
      context.flush()
      close(context)
    default:
      context.write(data, promise: promise)
    }
  }

  private func close(_ context: ChannelHandlerContext) {
    guard isReadingRequest else {
      // A stream of HTTP/2 ends by itself.
      if isHTTP1 { context.close(promise: nil) }
      return
    }
    isAnswered = true
    // Clients of HTTP/2 that wait for room to send take a reset stream for a lost answer: read on, for as long as a body
    // may take.
    isThrowingAway = isHTTP1
    schedule(isHTTP1 ? limits.lingerTimeout : limits.bodyTimeout, context) { _, context in context.close(promise: nil) }
  }

  private func schedule(
    _ delay: Duration, _ context: ChannelHandlerContext,
    _ action: @escaping @Sendable (ConnectionGuard, ChannelHandlerContext) -> Void
  ) {
    timer?.cancel()
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    timer = context.eventLoop.scheduleTask(in: TimeAmount(delay)) {
      let (me, context) = bound.value
      action(me, context)
    }
  }
}

@available(*, unavailable)
extension ConnectionGuard: Sendable {}
