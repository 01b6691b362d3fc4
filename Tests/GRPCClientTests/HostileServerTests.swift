import GRPC
import GRPCClient
import HTTP2
import Inference
import Testing
import Transport

/// Answers that are none, and servers that go away: what the caller is told of each.
@Suite(.timeLimit(.minutes(1))) struct HostileServerTests {
  /// A raw server with a connection and so many unary calls that have been sent whole.
  struct Scene {
    let server: RawServer
    let harness = try! Harness()
    let connection: ConnectionRecorder
    var calls: [CallRecorder] = []

    init(calls count: Int = 1, _ change: (inout ClientConnectionOptions) -> Void = { _ in }) throws {
      server = try RawServer()
      connection = try harness.connect(to: server.address, change)
      try server.greet()
      connection.waitUntilReady()
      for _ in 0..<count {
        let call = try #require(harness.start("/t.T/M", on: connection))
        call.send([1, 2], ends: true)
        calls.append(call)
      }
      try server.waitForRequests(count)
    }

    /// The end of the first call.
    func outcome() throws -> CallOutcome {
      calls[0].waitForEnd()
      return try #require(calls[0].outcome)
    }
  }

  @Test func `a refused call has not run`() throws {
    let scene = try Scene()
    try scene.server.reset(0, .refusedStream)
    let outcome = try scene.outcome()
    #expect(outcome.status.code == .unavailable)
    #expect(outcome.origin == .server)
    #expect(!outcome.mayHaveRun)
  }

  @Test(arguments: [
    (HTTP2ErrorCode.internalError, GRPCStatus.Code.internal), (.cancel, .cancelled),
    (.enhanceYourCalm, .resourceExhausted), (.inadequateSecurity, .permissionDenied), (.noError, .internal),
    (.streamClosed, .unknown),
  ]) func `a reset means what gRPC says it means, and the call may have run`(
    code: HTTP2ErrorCode, status: GRPCStatus.Code
  ) throws {
    let scene = try Scene()
    try scene.server.reset(0, code)
    let outcome = try scene.outcome()
    #expect(outcome.status.code == status)
    #expect(outcome.mayHaveRun)
  }

  @Test func `after a goodbye, calls up to its number go on and later ones have not run`() throws {
    let scene = try Scene(calls: 2)
    // GOAWAY: last stream 1, NO_ERROR.
    scene.server.sendRaw([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    scene.calls[1].waitForEnd()
    #expect(scene.calls[1].code == .unavailable)
    #expect(scene.calls[1].outcome?.origin == .connection)
    #expect(scene.calls[1].outcome?.mayHaveRun == false)
    #expect(scene.connection.now.isDraining)
    #expect(scene.harness.start("/t.T/M", on: scene.connection) == nil)
    #expect(scene.calls[0].outcome == nil)
    try scene.server.answer(0, body: framed([5]))
    scene.calls[0].waitForEnd()
    #expect(scene.calls[0].code == .ok)
    scene.connection.wait { $0.closed != nil }
    guard case .finished = scene.connection.now.closed else {
      Issue.record("closed for another reason: \(String(describing: scene.connection.now.closed))")
      return
    }
  }

  /// The stream would never be told of its end: the loss has been told to those that were there.
  @Test func `a call that ends with its connection can start no other on it`() throws {
    let server = try RawServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    try server.greet()
    connection.waitUntilReady()
    let call = try #require(harness.start("/t.T/M", on: connection))
    let second = CallRecorder(harness)
    nonisolated(unsafe) var started = true
    harness.onLoop {
      call.whenFinished = {
        guard let connection = connection.connection else { return }
        let template = RequestTemplate("/t.T/M", answer: .one, options: connection.options)
        started = connection.mayStartCall || connection.start(template, observer: second) != nil
      }
    }
    call.send([1], ends: true)
    try server.waitForRequests(1)
    server.hangUp()
    call.waitForEnd()
    connection.wait { $0.closed != nil }
    #expect(!started)
  }

  @Test func `a connection may be closed while the end of one of its calls is told`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    let call = try #require(harness.start("/t.T/Stream", on: connection, answer: .stream))
    harness.onLoop {
      call.whenFinished = { connection.connection?.close() }
      call.call?.cancel()
    }
    connection.wait { $0.closed != nil }
    #expect(call.now.finishedCount == 1)
    // Memory that was given back twice would be two calls' at once.
    let next = try harness.connect(to: server.address)
    next.waitUntilReady()
    let calls = try (0..<4).map { _ in try #require(harness.start("/t.T/Stream", on: next, answer: .stream)) }
    for (index, call) in calls.enumerated() { call.send([UInt8(index)], ends: true) }
    for (index, call) in calls.enumerated() {
      call.waitForEnd()
      #expect(call.now.messages == [[UInt8(index)]])
    }
  }

  @Test func `a connection that is lost ends its calls, which may have run`() throws {
    let scene = try Scene(calls: 2)
    scene.server.hangUp()
    for call in scene.calls {
      call.waitForEnd()
      #expect(call.code == .unavailable)
      #expect(call.outcome?.origin == .connection)
      #expect(call.outcome?.mayHaveRun == true)
      #expect(call.outcome?.status.message.contains("apus-raw") == true)
    }
    scene.connection.wait { $0.closed != nil }
    scene.harness.onLoop { #expect(scene.connection.connection?.openCalls == 0) }
    #expect(scene.harness.start("/t.T/M", on: scene.connection) == nil)
  }

  @Test(arguments: [(503, GRPCStatus.Code.unavailable), (404, .unimplemented), (401, .unauthenticated), (418, .unknown)])
  func `an answer that is not gRPC's means what its HTTP status means`(status: Int, code: GRPCStatus.Code) throws {
    let scene = try Scene()
    try scene.server.answer(
      0, headers: [(":status", "\(status)"), ("content-type", "text/html")], body: Array("<p>no</p>".utf8), trailers: [])
    let outcome = try scene.outcome()
    #expect(outcome.status.code == code)
    #expect(outcome.status.message.contains("\(status)"))
    #expect(outcome.status.message.contains("text/html"))
  }

  @Test func `headers alone are a whole answer`() throws {
    let scene = try Scene()
    try scene.server.answer(
      0,
      headers: [
        (":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "9"), ("grpc-message", "not%20now"),
      ], endsAtHeaders: true)
    let outcome = try scene.outcome()
    #expect(outcome.status == GRPCStatus(.failedPrecondition, "not now"))
    #expect(outcome.origin == .server)
  }

  @Test func `informational answers before the answer are passed over`() throws {
    let scene = try Scene()
    // HEADERS on stream 1, END_HEADERS: a literal `:status` of 103 and of 100, by the static table's name 8.
    for status in ["103", "100"] {
      scene.server.sendRaw([0, 0, 5, 1, 4, 0, 0, 0, 1, 0x08, 3] + Array(status.utf8))
    }
    try scene.server.answer(0, body: framed([5]))
    #expect(try scene.outcome().status.code == .ok)
    #expect(scene.calls[0].now.messages == [[5]])
    #expect(scene.calls[0].now.headers[":status"] == "200")
  }

  struct Malformed: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var headers = [(":status", "200"), ("content-type", "application/grpc")]
    var body: [UInt8] = []
    var trailers: [(String, String)] = [("grpc-status", "0")]
    var code = GRPCStatus.Code.internal
    var says = ""
  }

  static let malformed = [
    Malformed(testDescription: "no message", says: "without a message"),
    Malformed(testDescription: "two messages", body: framed([1]) + framed([2]), says: "second"),
    Malformed(testDescription: "half a message", body: [0, 0, 0, 0, 9, 1], says: "inside a message"),
    Malformed(testDescription: "a flag of 7", body: framed([1], flag: 7), says: "flag is 7"),
    Malformed(testDescription: "compressed by no encoding", body: framed([1], flag: 1), says: "no encoding"),
    Malformed(
      testDescription: "an encoding that was not offered",
      headers: [(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "zstd")],
      body: framed([1], flag: 1), says: "zstd"),
    Malformed(
      testDescription: "no gzip",
      headers: [(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")],
      body: framed([1, 2, 3], flag: 1), says: "gzip"),
    Malformed(testDescription: "no status", body: framed([1]), trailers: [], code: .unknown, says: "grpc-status"),
    Malformed(
      testDescription: "a status that is none", body: framed([1]), trailers: [("grpc-status", "99")], code: .unknown),
    Malformed(
      testDescription: "a length of 4 GiB", body: [0, 255, 255, 255, 255], code: .resourceExhausted, says: "4294967295"),
    Malformed(
      testDescription: "a field with a line break",
      headers: [(":status", "200"), ("content-type", "application/grpc"), ("x", "a\nb")], body: framed([1]), says: "HTTP/2 error"),
    Malformed(
      testDescription: "headers over the limit",
      headers: [
        (":status", "200"), ("content-type", "application/grpc"), ("x", String(repeating: "y", count: 20_000)),
      ], code: .resourceExhausted, says: "headers"),
  ]

  @Test(arguments: malformed) func `a malformed answer ends its call alone, with what is wrong`(
    answer: Malformed
  ) throws {
    var scene = try Scene()
    try scene.server.answer(0, headers: answer.headers, body: answer.body, trailers: answer.trailers)
    let outcome = try scene.outcome()
    #expect(outcome.status.code == answer.code)
    #expect(outcome.status.message.contains(answer.says))
    #expect(outcome.mayHaveRun)
    let next = try #require(scene.harness.start("/t.T/M", on: scene.connection))
    scene.calls.append(next)
    next.send([], ends: true)
    try scene.server.waitForRequests(2)
    try scene.server.answer(1, body: framed([]))
    next.waitForEnd()
    #expect(next.code == .ok)
  }

  @Test(arguments: ["X-Y", "x y", "x:y", "", "x-request-ID", "x-request-\u{7f}d"])
  func `a field whose name can't be one resets its call`(name: String) throws {
    let scene = try Scene()
    // HEADERS on stream 1, END_HEADERS: `:status: 200` from the static table, and a literal field.
    let field = [0, UInt8(name.utf8.count)] + Array(name.utf8) + [1, UInt8(ascii: "a")]
    scene.server.sendRaw([0, 0, UInt8(1 + field.count), 1, 4, 0, 0, 0, 1, 0x88] + field)
    let outcome = try scene.outcome()
    #expect(outcome.status.code == .internal)
    #expect(outcome.status.message.contains("reset"))
  }

  @Test func `what is not HTTP/2 ends the connection`() throws {
    let scene = try Scene()
    scene.server.sendRaw([UInt8](repeating: 0xff, count: 64))
    #expect(try scene.outcome().origin == .connection)
    scene.connection.wait { $0.closed != nil }
    guard case .protocolError = scene.connection.now.closed else {
      Issue.record("closed for another reason: \(String(describing: scene.connection.now.closed))")
      return
    }
  }

  @Test func `an answer before the request's end ends the call, and the rest of the request is not sent`() throws {
    let scene = try Scene(calls: 0)
    let call = try #require(scene.harness.start("/t.T/M", on: scene.connection))
    call.send([1])
    try scene.server.waitForRequests(1)
    try scene.server.answer(
      0, headers: [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "16")], endsAtHeaders: true)
    call.waitForEnd()
    #expect(call.code == .unauthenticated)
    try scene.server.pump { scene.server.closeCodes[0] != nil }
    #expect(scene.server.closeCodes[0] == HTTP2ErrorCode.cancel.rawValue)
  }

  @Test func `a server that answers no ping while a call is open is given up`() throws {
    let scene = try Scene {
      $0.keepaliveTime = .milliseconds(20)
      $0.keepaliveTimeout = .milliseconds(20)
    }
    let outcome = try scene.outcome()
    #expect(outcome.status.code == .unavailable)
    scene.connection.wait { $0.closed != nil }
    guard case .keepaliveTimeout = scene.connection.now.closed else {
      Issue.record("closed for another reason: \(String(describing: scene.connection.now.closed))")
      return
    }
  }
}
