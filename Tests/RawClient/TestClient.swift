internal import Glibc
package import HTTP2
internal import Inference
package import Transport

/// A gRPC client over a blocking socket and a raw session: it can misbehave as no library would.
package final class TestClient {
  package struct Reply: Sendable {
    package var headers: [String: String] = [:]
    package var body: [UInt8] = []
    package var ended = false
    /// As in RST_STREAM; nil while the stream is open.
    package var closeCode: UInt32?

    package var status: Int? { headers["grpc-status"].flatMap { Int($0) } }
    package var message: String { headers["grpc-message"] ?? "" }
    /// The body's messages, without their prefixes.
    package var messages: [[UInt8]] {
      var rest = body[...]
      var messages: [[UInt8]] = []
      while rest.count >= 5 {
        let count = rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
        messages.append(Array(rest.dropFirst(5).prefix(count)))
        rest = rest.dropFirst(5 + count)
      }
      return messages
    }
  }

  package struct Failure: Error { package let what: String }

  package let session: HTTP2Session
  /// By stream number.
  package var replies: [Int32: Reply] = [:]
  package private(set) var goneAway: [UInt32] = []
  package private(set) var isLost = false
  /// Whether body bytes are taken at all: without, the server's answers are held by our windows.
  package var consumes = true
  private var streams: [Int32: StreamPointer] = [:]
  private let socket: Socket
  private let buffer = OutputBuffer()

  /// Waits for the server's settings: until they are here a stream may send no more than 64 KiB ahead.
  package func greet() throws { _ = try call("/t.T/Echo") }

  package init(_ address: SocketAddress, settings: HTTP2Settings = HTTP2Settings()) throws {
    socket = try Socket.connect(to: address)
    session = try HTTP2Session(role: .client, settings: settings, streams: StreamStore(), now: .now())
  }

  // MARK: Calls

  /// Opens a stream; further bytes go by `send`.
  package func open(_ path: String, _ extra: [(String, String)] = [], method: String = "POST", type: String = "application/grpc")
    throws -> Int32
  {
    var block = HeaderBlock()
    defer { block.deallocate() }
    let fields = [
      (":method", method), (":scheme", "http"), (":path", path), (":authority", "test"), ("content-type", type),
      ("te", "trailers"),
    ]
    for (name, value) in fields + extra { block.append(name: name, value: value) }
    guard let stream = session.request(block, endStream: false) else { throw Failure(what: "no stream") }
    streams[stream.pointee.id] = stream
    replies[stream.pointee.id] = Reply()
    return stream.pointee.id
  }

  package func send(_ bytes: [UInt8], on id: Int32, ends: Bool = false) throws {
    if let stream = streams[id] {
      if !bytes.isEmpty {
        let owner = Bytes(bytes)
        session.enqueue(Segment(bytes: owner.bytes, owner: .passRetained(owner)), on: stream)
      }
      if ends { session.finish(stream) }
    }
    try flush()
  }

  package func reset(_ id: Int32) throws {
    if let stream = streams[id] { session.reset(stream, code: .cancel) }
    try flush()
  }

  /// One whole call.
  package func call(_ path: String, _ messages: [[UInt8]] = [[]], _ extra: [(String, String)] = []) throws -> Reply {
    let id = try open(path, extra)
    try send(messages.flatMap { framed($0) }, on: id, ends: true)
    return try finish(id)
  }

  /// Waits for the end of a call.
  package func finish(_ id: Int32) throws -> Reply {
    try wait { [self] in replies[id]?.closeCode != nil }
    return replies[id] ?? Reply()
  }

  // MARK: Bytes

  /// Sends and receives until `condition` holds. Throws if nothing comes for so long that it never will.
  package func wait(until condition: () -> Bool) throws {
    try flush()
    while !condition() {
      guard !isLost else { throw Failure(what: "the connection is closed") }
      var ready = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&ready, 1, 20_000) == 1 else { throw Failure(what: "nothing came for 20 s") }
      try receive()
      try flush()
    }
  }

  package func sendRaw(_ bytes: [UInt8]) { _ = Glibc.send(socket.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

  /// Reads bytes until the server closes the connection.
  package func readRaw() -> String {
    var text: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(socket.descriptor, &chunk, chunk.count, 0)
      if count < 0, errno == EAGAIN {
        var waiting = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
        poll(&waiting, 1, 10_000)
        continue
      }
      guard count > 0 else { return String(decoding: text, as: UTF8.self) }
      text += chunk[..<count]
    }
  }

  package func flush() throws {
    while true {
      _ = try session.collectOutput(into: buffer)
      let isEmpty = buffer.isEmpty
      for piece in buffer.pieces { try sendAll(piece.bytes) }
      buffer.reset()
      process()
      if isEmpty { return }  // not before: what came while we sent may have been worth an answer
    }
  }

  /// Takes what the server sends meanwhile, so that both may have full sockets.
  private func sendAll(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while !rest.isEmpty, !isLost {
      let count = Glibc.send(socket.descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
      if count > 0 {
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      } else if errno == EAGAIN {
        var ready = pollfd(fd: socket.descriptor, events: Int16(POLLIN | POLLOUT), revents: 0)
        guard poll(&ready, 1, 20_000) == 1 else { throw Failure(what: "the server takes nothing for 20 s") }
        if ready.revents & Int16(POLLIN) != 0 { try receive() }
      } else {
        isLost = true
      }
    }
  }

  private func receive() throws {
    var chunk = [UInt8](repeating: 0, count: 65536)
    let count = recv(socket.descriptor, &chunk, chunk.count, 0)
    guard count > 0 else {
      isLost = true
      return
    }
    try chunk.withUnsafeBytes { bytes throws in
      try session.receive(UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: .now())
      process()
    }
  }

  private func process() {
    session.forEachEvent { event in
      if event.kind == .goAway { goneAway.append(event.code) }
      guard let stream = event.stream else { return }
      let id = stream.pointee.id
      switch event.kind {
      case .headers: note(stream.pointee.headers, id)
      case .trailers: note(stream.pointee.trailers, id)
      case .data:
        replies[id]?.body += event.bytes
        if consumes { session.consume(event.bytes.count, of: stream) }
      case .endOfStream: replies[id]?.ended = true
      case .closed:
        replies[id]?.closeCode = event.code
        streams[id] = nil
        session.recycle(stream)
      default: break
      }
    }
  }

  private func note(_ block: HeaderBlock, _ id: Int32) {
    var cursor = 0
    while let field = block.next(&cursor) {
      replies[id]?.headers[String(decoding: field.name, as: UTF8.self)] = String(decoding: field.value, as: UTF8.self)
    }
  }
}

/// A message behind its prefix.
package func framed(_ message: [UInt8], flag: UInt8 = 0) -> [UInt8] {
  [flag] + withUnsafeBytes(of: UInt32(message.count).bigEndian) { Array($0) } + message
}

private final class Bytes {
  let bytes: UnsafeRawBufferPointer

  init(_ source: [UInt8]) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 16)
    copy.copyBytes(from: source)
    bytes = UnsafeRawBufferPointer(copy)
  }

  deinit { bytes.deallocate() }
}
