import EventLoops
import Glibc
import HTTP2
import Inference
import Threads
import Transport

/// The server's end of one connection over a blocking socket and a raw session: it can misbehave as no library would.
final class RawServer {
  struct Failure: Error { let what: String }

  let address: SocketAddress
  private let listener: Socket
  private var descriptor: Int32 = -1
  private(set) var session: HTTP2Session
  private let buffer = OutputBuffer()
  /// In the order of their requests.
  private(set) var streams: [StreamPointer] = []
  private(set) var requests: [[String: String]] = []
  private(set) var bodyBytes: [Int] = []
  /// By index, as in RST_STREAM.
  private(set) var closeCodes: [Int: UInt32] = [:]
  private var indexes: [Int32: Int] = [:]
  private(set) var isLost = false
  /// Whether body bytes are taken at all.
  var consumes = true
  /// Bytes of DATA frames and all others that left.
  private(set) var sentBytes = 0

  init(_ settings: HTTP2Settings = HTTP2Settings()) throws {
    address = .unix(path: "/tmp/apus-raw-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock")
    listener = try Socket.listen(on: address, sharesPort: false)
    session = try HTTP2Session(role: .server, settings: settings, streams: StreamStore(), now: .now())
  }

  deinit {
    hangUp()
    if case .unix(let path) = address { unlink(path) }
  }

  /// Takes the connection.
  func accept() throws {
    try waitToRead(listener.descriptor)
    descriptor = Glibc.accept(listener.descriptor, nil, nil)
  }

  /// Takes the connection and greets.
  func greet() throws {
    try accept()
    try pump { [self] in session.hasPeerSettings }
  }

  func hangUp() {
    if descriptor >= 0 { Glibc.close(descriptor) }
    descriptor = -1
  }

  /// Sends and receives until `isTrue`.
  func pump(until isTrue: () -> Bool) throws {
    try flush()
    while !isTrue() {
      guard !isLost else { throw Failure(what: "the client closed the connection") }
      try waitToRead(descriptor)
      try receive()
      try flush()
    }
  }

  func waitForRequests(_ count: Int) throws { try pump { [self] in streams.count >= count } }

  /// Answers with these headers, this body, and these trailers; nil: the stream stays open.
  func answer(
    _ index: Int, headers: [(String, String)] = [(":status", "200"), ("content-type", "application/grpc")],
    body: [UInt8] = [], trailers: [(String, String)]? = [("grpc-status", "0")], endsAtHeaders: Bool = false
  ) throws {
    let stream = streams[index]
    var block = HeaderBlock()
    defer { block.deallocate() }
    for (name, value) in headers { block.append(name: name, value: value) }
    session.respond(stream, block, endStream: endsAtHeaders)
    if !body.isEmpty {
      let owner = OwnedBytes(body)
      session.enqueue(Segment(bytes: owner.bytes, owner: .passRetained(owner)), on: stream)
    }
    if !endsAtHeaders, let trailers {
      var block = HeaderBlock()
      defer { block.deallocate() }
      for (name, value) in trailers { block.append(name: name, value: value) }
      if trailers.isEmpty { session.finish(stream) } else { session.finish(stream, trailers: block) }
    }
    try flush()
  }

  func reset(_ index: Int, _ code: HTTP2ErrorCode) throws {
    session.reset(streams[index], code: code)
    try flush()
  }

  func sendRaw(_ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

  func flush() throws {
    while true {
      _ = try session.collectOutput(into: buffer)
      let isEmpty = buffer.isEmpty
      for piece in buffer.pieces { try sendAll(piece.bytes) }
      buffer.reset()
      process()
      if isEmpty { return }
    }
  }

  private func sendAll(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while !rest.isEmpty, !isLost {
      let count = Glibc.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
      if count > 0 {
        sentBytes += count
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      } else if errno == EAGAIN {
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN | POLLOUT), revents: 0)
        guard poll(&ready, 1, 20_000) == 1 else { throw Failure(what: "the client takes nothing for 20 s") }
        if ready.revents & Int16(POLLIN) != 0 { try receive() }
      } else {
        isLost = true
      }
    }
  }

  private func waitToRead(_ descriptor: Int32) throws {
    var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&ready, 1, 20_000) == 1 else { throw Failure(what: "nothing came for 20 s") }
  }

  private func receive() throws {
    var chunk = [UInt8](repeating: 0, count: 65536)
    let count = recv(descriptor, &chunk, chunk.count, 0)
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
      guard let stream = event.stream else { return }
      switch event.kind {
      case .headers:
        indexes[stream.pointee.id] = streams.count
        streams.append(stream)
        bodyBytes.append(0)
        requests.append(dictionary(stream.pointee.headers))
      case .data:
        if let index = indexes[stream.pointee.id] { bodyBytes[index] += event.bytes.count }
        if consumes { session.consume(event.bytes.count, of: stream) }
      case .closed:
        if let index = indexes[stream.pointee.id] { closeCodes[index] = event.code }
        session.recycle(stream)
      default: break
      }
    }
  }
}

/// A message behind its prefix.
func framed(_ message: [UInt8], flag: UInt8 = 0) -> [UInt8] {
  [flag] + withUnsafeBytes(of: UInt32(message.count).bigEndian) { Array($0) } + message
}

final class OwnedBytes {
  let bytes: UnsafeRawBufferPointer

  init(_ source: [UInt8]) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 16)
    copy.copyBytes(from: source)
    bytes = UnsafeRawBufferPointer(copy)
  }

  deinit { bytes.deallocate() }
}
