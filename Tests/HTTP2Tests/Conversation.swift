import HTTP2
import Inference

/// A client's and a server's session that talk in memory, on virtual time.
final class Conversation {
  /// What an event said, kept after the bytes it pointed to are gone.
  struct Note: Equatable, CustomStringConvertible {
    var kind: HTTP2Event.Kind
    var id: Int32 = 0
    var code: UInt32 = 0
    var description: String { "\(kind)(\(id), \(code))" }
  }

  /// One side, its events so far and its output buffer.
  final class Side {
    let session: HTTP2Session
    let buffer: OutputBuffer
    var notes: [Note] = []
    /// Body bytes by stream.
    var bodies: [Int32: [UInt8]] = [:]
    var closed: Set<Int32> = []
    var streams: [Int32: StreamPointer] = [:]
    /// Whether body bytes are consumed as they come.
    var consumes = true
    var onEvent: (HTTP2Event, HTTP2Session) -> Void = { _, _ in }
    /// Whether the last collecting stopped because the buffer was full.
    var wasBlocked = false

    init(_ role: HTTP2Session.Role, _ settings: HTTP2Settings, _ buffer: OutputBuffer, at now: Instant) throws {
      session = try HTTP2Session(role: role, settings: settings, streams: StreamStore(), now: now)
      self.buffer = buffer
    }

    func processEvents() {
      session.forEachEvent { event in
        let id = event.stream?.pointee.id ?? 0
        notes.append(Note(kind: event.kind, id: id, code: event.code))
        switch event.kind {
        case .headers: streams[id] = event.stream
        case .data:
          bodies[id, default: []] += event.bytes
          if consumes, let stream = event.stream { session.consume(event.bytes.count, of: stream) }
        default: break
        }
        onEvent(event, session)
        if event.kind == .closed, let stream = event.stream {
          streams[id] = nil
          closed.insert(id)
          session.recycle(stream)
        }
      }
    }

    /// One buffer's worth of output.
    func collect() throws -> [UInt8] {
      wasBlocked = try session.collectOutput(into: buffer)
      var bytes: [UInt8] = []
      for piece in buffer.pieces { bytes += piece.bytes }
      buffer.reset()
      processEvents()
      return bytes
    }

    func receive(_ bytes: [UInt8], at now: Instant) throws {
      defer { processEvents() }
      try bytes.withUnsafeBytes { bytes throws in try session.receive(bytes, at: now) }
    }

    func kinds(of id: Int32) -> [HTTP2Event.Kind] { notes.filter { $0.id == id }.map(\.kind) }
  }

  var now = Instant(nanoseconds: 1_000_000_000)
  let client: Side
  let server: Side

  init(
    client: HTTP2Settings = HTTP2Settings(), server: HTTP2Settings = HTTP2Settings(),
    serverBuffer: OutputBuffer = OutputBuffer()
  ) throws {
    self.client = try Side(.client, client, OutputBuffer(), at: now)
    self.server = try Side(.server, server, serverBuffer, at: now)
    try settle()
  }

  /// Carries bytes both ways until neither side has more to say.
  func settle() throws {
    while true {
      let up = try client.collect()
      if !up.isEmpty { try server.receive(up, at: now) }
      let down = try server.collect()
      if !down.isEmpty { try client.receive(down, at: now) }
      if up.isEmpty, down.isEmpty { return }
    }
  }

  /// Opens a stream as a client with a gRPC-like header list.
  func open(_ extra: [(String, String)] = [], endStream: Bool = false) throws -> StreamPointer? {
    var block = HeaderBlock()
    defer { block.deallocate() }
    for (name, value) in [(":method", "POST"), (":scheme", "http"), (":path", "/a/B"), (":authority", "x")] + extra {
      block.append(name: name, value: value)
    }
    return client.session.request(block, endStream: endStream)
  }
}

/// Memory that counts how often it was freed.
final class Owner {
  let bytes: UnsafeMutableRawBufferPointer
  private let freed: (Int) -> Void

  init(_ count: Int, fill: UInt8 = 7, freed: @escaping (Int) -> Void = { _ in }) {
    bytes = .allocate(byteCount: count, alignment: 16)
    bytes.initializeMemory(as: UInt8.self, repeating: fill)
    self.freed = freed
  }

  deinit {
    bytes.deallocate()
    freed(1)
  }

  /// A segment with a count of its own.
  func segment(_ range: Range<Int>? = nil) -> Segment {
    let range = range ?? 0..<bytes.count
    return Segment(bytes: UnsafeRawBufferPointer(rebasing: bytes[range]), owner: .passRetained(self))
  }
}

let okHeaders = PreparedHeaders([(":status", "200")])
let okTrailers = PreparedHeaders([("grpc-status", "0")])

extension HeaderBlock {
  func text(_ name: StaticString) -> String? { value(of: name).map { String(decoding: $0, as: UTF8.self) } }
}
