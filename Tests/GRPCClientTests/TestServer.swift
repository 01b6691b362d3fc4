import EventLoops
import GRPC
import Glibc
import HTTP2
import Inference
import Synchronization
import Threads
import Transport

/// A gRPC server in this process, on a Unix socket of its own.
///
/// `/t.T/Echo` answers with its message, `/t.T/Metadata` with what the client sent as `x-test` in headers and trailers,
/// `/t.T/Peer` with who the client is by its certificate and how it came in, `/t.T/Fail` with a status, `/t.T/Big` with as many KiB as its message has bytes; `/t.T/Park` keeps the call until
/// `letGo`; `/t.T/Stream` gives each message back, `/t.T/Flood` answers one message with as many of 64 KiB.
final class TestServer {
  let server: GRPCServer
  let park = Park()
  let streams: Streams
  var address: SocketAddress { server.addresses[0] }

  init(options: GRPCOptions = GRPCOptions(), _ change: (inout GRPCServer.Configuration) -> Void = { _ in }) throws {
    let path = "/tmp/apus-client-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
    var configuration = GRPCServer.Configuration(addresses: [.unix(path: path)], loopCount: 1)
    configuration.options = options
    change(&configuration)
    let park = park
    let streams = Streams()
    self.streams = streams
    server = try GRPCServer(configuration) { _ in
      var table = MethodTable()
      table.add("t.T", "Echo", FunctionMethod { Array($0) })
      table.add("t.T", "Fail", FunctionMethod { bytes throws(GRPCStatus) in
        throw GRPCStatus(.notFound, "no €uro", details: Array(bytes))
      })
      table.add("t.T", "Big", FunctionMethod { [UInt8](repeating: 5, count: $0.count << 10) })
      table.add("t.T", "Metadata", .unary(MetadataMethod()))
      table.add("t.T", "Peer", .unary(PeerMethod()))
      table.add("t.T", "PeerStream", .stream(PeerStream()))
      table.add("t.T", "Park", .unary(park))
      table.add("t.T", "Stream", .stream(streams))
      table.add("t.T", "Flood", .stream(Flood()))
      return table
    }
    try server.start()
  }

  deinit {
    park.letGo()
    server.drain(grace: .zero)
    park.letGo()
    server.stop()
  }
}

private final class MetadataMethod: UnaryMethod {
  func handle(_ call: UnaryCall) {
    let given = call.metadata("x-test").map { String(decoding: $0, as: UTF8.self) } ?? ""
    let timeout = call.metadata("grpc-timeout").map { String(decoding: $0, as: UTF8.self) } ?? ""
    call.addInitialMetadata("x-first", given)
    call.addTrailingMetadata("x-last", given)
    call.reply(Array(timeout.utf8))
  }
}

private final class PeerMethod: UnaryMethod {
  func handle(_ call: UnaryCall) { call.reply(peer(call.certificate, isPrivate: call.isPrivate)) }
}

private func peer(_ certificate: UnsafeRawBufferPointer, isPrivate: Bool) -> [UInt8] {
  Array(certificate) + Array(isPrivate ? " private".utf8 : " public".utf8)
}

/// Says on a stream what `Peer` says.
private final class PeerStream: StreamMethod {
  func open(_ stream: ServerStream) -> any StreamHandler { Handler(stream) }

  final class Handler: StreamHandler {
    let stream: ServerStream

    init(_ stream: ServerStream) { self.stream = stream }

    func receive(_ message: MessageBuffer) {
      stream.recycle(message)
      stream.send(peer(stream.certificate, isPrivate: stream.isPrivate))
    }

    func receiveEnd() { stream.finish() }
    func cancelled() {}
  }
}

/// Keeps its calls until they are let go.
final class Park: UnaryMethod, @unchecked Sendable {  // calls are guarded; each is answered on its loop
  let monitor = Monitor()
  private var arrivedCount = 0
  private var cancelledCount = 0
  private var calls: [UnaryCall] = []

  func handle(_ call: UnaryCall) {
    monitor.change {
      calls.append(call)
      arrivedCount += 1
    }
  }

  func cancelled(_ call: UnaryCall) { monitor.change { cancelledCount += 1 } }

  func waitForArrivals(_ count: Int) { monitor.wait { arrivedCount >= count } }
  func waitForCancelled(_ count: Int) { monitor.wait { cancelledCount >= count } }

  /// Answers the first `count` that wait, on their loop.
  func letGo(_ count: Int = .max) {
    let released = monitor.change { () -> [UnaryCall] in
      defer { calls.removeFirst(min(count, calls.count)) }
      return Array(calls.prefix(count))
    }
    for call in released {
      nonisolated(unsafe) let call = call
      call.raw.pointee.loop.takeUnretainedValue().eventLoop.execute { call.reply(Array(call.message)) }
    }
  }
}

/// Gives messages back on streams.
final class Streams: StreamMethod, @unchecked Sendable {  // guarded by the monitor
  let monitor = Monitor()
  private var receivedCount = 0

  func open(_ stream: ServerStream) -> any StreamHandler { Handler(stream, self) }
  func waitForMessages(_ count: Int) { monitor.wait { receivedCount >= count } }

  final class Handler: StreamHandler {
    let stream: ServerStream
    let owner: Streams

    init(_ stream: ServerStream, _ owner: Streams) {
      self.stream = stream
      self.owner = owner
    }

    func receive(_ message: MessageBuffer) {
      let bytes = Array(message.bytes)
      stream.recycle(message)
      stream.send(bytes)
      owner.monitor.change { owner.receivedCount += 1 }
    }

    func receiveEnd() { stream.finish() }
    func cancelled() {}
  }
}

/// Answers a message with many large ones, as fast as the client takes them.
private final class Flood: StreamMethod {
  func open(_ stream: ServerStream) -> any StreamHandler { Handler(stream) }

  final class Handler: StreamHandler {
    let stream: ServerStream
    var left = 0

    init(_ stream: ServerStream) { self.stream = stream }

    func receive(_ message: MessageBuffer) {
      left = message.bytes.count
      stream.recycle(message)
      go()
    }

    func go() {
      while left > 0, !stream.isCongested {
        left -= 1
        stream.send([UInt8](repeating: UInt8(truncatingIfNeeded: left), count: 65536))
      }
      if left == 0 { stream.finish() }
    }

    func drained() { go() }
    func receiveEnd() {}
    func cancelled() {}
  }
}
