internal import HummingbirdCore
internal import HummingbirdHTTP2
internal import Logging
internal import NIOCore

/// Connections in the clear, of HTTP/1.1 or of HTTP/2 "with prior knowledge" (RFC 9113, section 3.3): the first bytes say
/// which.
struct ClearChannel: ServerChildChannel {
  enum Connection: Sendable {
    case http1(HTTP1Channel.Value)
    case http2(HTTP2Channel.Value)
  }

  struct Value: ServerChildChannelValue {
    let connection: EventLoopFuture<Connection>
    let channel: any Channel
  }

  private let http1: HTTP1Channel
  private let http2: HTTP2Channel

  init(responder: @escaping HTTPChannelHandler.Responder, configuration: HTTP2ChannelConfiguration) {
    http1 = HTTP1Channel(responder: responder, configuration: configuration.streamConfiguration)
    http2 = HTTP2Channel(responder: responder, configuration: configuration)
  }

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    channel.eventLoop.makeCompletedFuture {
      let promise = channel.eventLoop.makePromise(of: Connection.self)
      try channel.pipeline.syncOperations.addHandler(
        PrefaceHandler(timeout: http2.configuration.idleTimeout) { [http1, http2] isHTTP2 in
          let ready =
            isHTTP2
            ? http2.setup(channel: channel, logger: logger).map { Connection.http2($0) }
            : http1.setup(channel: channel, logger: logger).map { Connection.http1($0) }
          ready.cascade(to: promise)
          return ready.map { _ in }
        } gone: {
          promise.fail(ChannelError.eof)
        })
      return Value(connection: promise.futureResult, channel: channel)
    }
  }

  func handle(value: Value, logger: Logger) async {
    switch try? await value.connection.get() {
    case .http1(let connection): await http1.handle(value: connection, logger: logger)
    case .http2(let connection): await http2.handle(value: connection, logger: logger)
    case nil: break
    }
  }
}

/// Holds the first bytes of a connection until they tell HTTP/2's preface from anything else, and then makes way.
final class PrefaceHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  /// RFC 9113, section 3.4. No method of HTTP/1.1 begins with its first four bytes.
  private static let preface = Array("PRI * HTTP/2.0".utf8)

  private let timeout: Duration?
  private let decide: (Bool) -> EventLoopFuture<Void>
  private let gone: () -> Void
  private var timer: Scheduled<Void>?
  private var held: [ByteBuffer] = []
  private var first: [UInt8] = []
  private var isDecided = false

  /// - Parameters:
  ///   - timeout: How long a connection may say nothing.
  ///   - decide: Makes the pipeline of HTTP/2 if it is given true, else that of HTTP/1.1.
  ///   - gone: The connection ended before it could be told.
  init(timeout: Duration?, decide: @escaping (Bool) -> EventLoopFuture<Void>, gone: @escaping () -> Void) {
    self.timeout = timeout
    self.decide = decide
    self.gone = gone
  }

  func handlerAdded(context: ChannelHandlerContext) {
    guard let timeout else { return }
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    timer = context.eventLoop.scheduleTask(in: TimeAmount(timeout)) { bound.value.close(promise: nil) }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let buffer = unwrapInboundIn(data)
    held.append(buffer)
    guard !isDecided else { return }
    first += buffer.readableBytesView.prefix(PrefaceHandler.preface.count - first.count)
    let isPreface = first.elementsEqual(PrefaceHandler.preface.prefix(first.count))
    guard !isPreface || first.count == PrefaceHandler.preface.count else { return }
    isDecided = true
    timer?.cancel()
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    decide(isPreface).whenComplete { _ in
      let (me, context) = bound.value
      context.pipeline.syncOperations.removeHandler(me, promise: nil)
    }
  }

  /// What was held goes on when everything that is to read it is in place.
  func removeHandler(context: ChannelHandlerContext, removalToken: ChannelHandlerContext.RemovalToken) {
    for buffer in held { context.fireChannelRead(wrapInboundOut(buffer)) }
    held = []
    context.fireChannelReadComplete()
    context.leavePipeline(removalToken: removalToken)
  }

  func channelInactive(context: ChannelHandlerContext) {
    timer?.cancel()
    if !isDecided {
      isDecided = true
      gone()
    }
    context.fireChannelInactive()
  }
}

@available(*, unavailable)
extension PrefaceHandler: Sendable {}
