import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A real HTTP server on this machine that answers fixed documents and counts who asks.
final class TinyServer: Sendable {
  struct Answer: Sendable {
    var status = HTTPResponseStatus.ok
    var headers: [String: String] = [:]
    var body = ""
    /// Never answers, and keeps the connection.
    var isSilent = false
  }

  private struct State {
    var answers: [String: Answer] = [:]
    var asked: [String: Int] = [:]
    var isDown = false
  }

  private let state = Mutex(State())
  private let channel: any Channel

  private init(_ channel: any Channel) { self.channel = channel }

  /// Runs `body` with a server, and closes it after.
  static func with(_ body: (TinyServer) async throws -> Void) async throws {
    let shared = Shared()
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(Responder(shared))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let server = TinyServer(channel)
    shared.set(server)
    defer { channel.close(promise: nil) }
    try await body(server)
  }

  var address: String { "http://127.0.0.1:\(channel.localAddress?.port ?? 0)" }

  func answer(_ path: String, _ answer: Answer) { state.withLock { $0.answers[path] = answer } }

  /// Has every connection closed without an answer.
  func setDown(_ isDown: Bool) { state.withLock { $0.isDown = isDown } }

  func asked(_ path: String) -> Int { state.withLock { $0.asked[path] ?? 0 } }

  fileprivate func take(_ path: String) -> Answer? {
    state.withLock { state in
      state.asked[path, default: 0] += 1
      return state.isDown ? nil : state.answers[path] ?? Answer(status: .notFound)
    }
  }
}

/// The server that a connection belongs to, known only once it listens.
private final class Shared: Sendable {
  private let box = Mutex<TinyServer?>(nil)

  func set(_ server: TinyServer) { box.withLock { $0 = server } }
  func server() -> TinyServer? { box.withLock { $0 } }
}

private final class Responder: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let shared: Shared
  private var path = ""

  init(_ shared: Shared) { self.shared = shared }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head(let head): path = head.uri
    case .body: break
    case .end:
      guard let answer = shared.server()?.take(path) else {
        context.close(promise: nil)
        return
      }
      if answer.isSilent { return }
      var head = HTTPResponseHead(version: .http1_1, status: answer.status)
      for (name, value) in answer.headers { head.headers.add(name: name, value: value) }
      head.headers.replaceOrAdd(name: "content-length", value: "\(answer.body.utf8.count)")
      context.write(wrapOutboundOut(.head(head)), promise: nil)
      context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.body)))), promise: nil)
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
  }
}
