import Foundation
import GRPC
import HTTP2
import Inference
import Threads
import Transport
import Wire

/// A gRPC server in this process with a few methods, for as long as the value lives.
final class EchoServer: @unchecked Sendable {  // each test stops it from one task
  /// Held by the method `Wait` until the test lets it answer.
  final class Waiting: Sendable {
    let answers = Locked<[DeferredMethod.Answer]>([])

    /// Calls that wait.
    var count: Int { answers.withLock { $0.count } }

    func answerAll(_ result: Result<[UInt8], GRPCStatus> = .success([])) {
      let answers = answers.withLock { answers in
        let taken = answers
        answers = []
        return taken
      }
      for answer in answers { answer(result) }
    }
  }

  /// What the server has seen, and what the method `Script` does next.
  final class Script: Sendable {
    struct Step: Sendable {
      var status: GRPCStatus
      var trailers: [(String, String)] = []
    }

    /// Each fails one call; then calls succeed.
    let steps = Locked<[Step]>([])
    let calls = Locked(0)
    let cancelled = Locked(0)

    var callCount: Int { calls.withLock { $0 } }
    var cancelledCount: Int { cancelled.withLock { $0 } }
  }

  let waiting = Waiting()
  let script = Script()
  private let server: GRPCServer
  private var isRunning = true

  var address: String {
    switch server.addresses[0] {
    case .tcp(_, let port): "127.0.0.1:\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }

  init(
    on address: String = "127.0.0.1:0", tls: TLSConfiguration? = nil, loops: Int = 1,
    limits: (inout ServerLimits) -> Void = { _ in }
  ) throws {
    var configuration = GRPCServer.Configuration(addresses: [SocketAddress(address)!], loopCount: loops)
    configuration.tls = tls
    limits(&configuration.limits)
    server = try GRPCServer(configuration) { [waiting, script] _ in
      var methods = MethodTable()
      methods.add("test.Echo", "Echo", FunctionMethod { Array($0) })
      methods.add("test.Echo", "Grow", FunctionMethod { request in Array(repeating: 7, count: Int(request[0]) << 20) })
      methods.add(
        "test.Echo", "Refuse",
        FunctionMethod { _ throws(GRPCStatus) in throw GRPCStatus(.failedPrecondition, "no: 100 % zu spät\n") })
      methods.add("test.Echo", "Metadata", MetadataMethod())
      methods.add("test.Echo", "Script", ScriptedMethod(script))
      methods.add("test.Echo", "Hold", HoldingMethod(script))
      methods.add("test.Echo", "FirstWins", FirstWinsMethod(script))
      methods.add("test.Echo", "Show", ShowMethod())
      methods.add("inference.GRPCInferenceService", "ModelStreamInfer", EchoStreamMethod(script))
      methods.add("inference.GRPCInferenceService", "ModelInfer", FunctionMethod(answerWithRequest))
      methods.add("inference.GRPCInferenceService", "ModelMetadata", FunctionMethod { _ in [0xff] })
      methods.add(
        "test.Echo", "Wait",
        DeferredMethod { _, answer in
          waiting.answers.withLock { $0.append(answer) }
        })
      return methods
    }
    try server.start()
  }

  /// Closes the server's connections at once, with calls on them.
  func stop() {
    guard isRunning else { return }
    isRunning = false
    server.stop()
  }

  func drain() { server.drain(grace: .seconds(5)) }

  deinit { stop() }
}

/// Answers an inference request with its own tensors and parameters, and with the classes asked for by output.
private func answerWithRequest(_ bytes: UnsafeRawBufferPointer) throws(GRPCStatus) -> [UInt8] {
  guard let request = try? ModelInferRequest(decoding: bytes) else { throw GRPCStatus(.invalidArgument, "unreadable") }
  return answer(to: request).encoded()
}

private func answer(to request: ModelInferRequest) -> ModelInferResponse {
  var response = ModelInferResponse(modelName: request.modelName)
  response.modelVersion = request.modelVersion
  response.id = request.id
  response.outputs = request.inputs
  response.parameters = request.parameters
  for output in request.outputs { response.parameters[output.name] = output.parameters["classification"] }
  return response
}

/// Fails as the script says, then gives the message back.
private final class ScriptedMethod: UnaryMethod {
  private let script: EchoServer.Script
  init(_ script: EchoServer.Script) { self.script = script }

  func handle(_ call: UnaryCall) {
    script.calls.withLock { $0 += 1 }
    let step = script.steps.withLock { steps in steps.isEmpty ? nil : steps.removeFirst() }
    guard let step else { return call.reply(Array(call.message)) }
    for (name, value) in step.trailers { call.addTrailingMetadata(name, value) }
    call.fail(step.status)
  }
}

/// Holds its first call until the client gives it up, and answers the others.
private final class HoldingMethod: UnaryMethod {
  private let script: EchoServer.Script
  init(_ script: EchoServer.Script) { self.script = script }

  func handle(_ call: UnaryCall) {
    let number = script.calls.withLock { calls in
      calls += 1
      return calls
    }
    if number > 1 { call.reply(Array(call.message)) }
  }

  func cancelled(_ call: UnaryCall) {
    script.cancelled.withLock { $0 += 1 }
    call.fail(GRPCStatus(.cancelled))
  }
}

/// Answers its first call when the second comes, and holds the second until the client gives it up.
private final class FirstWinsMethod: UnaryMethod {
  private let script: EchoServer.Script
  private var first: UnaryCall?
  init(_ script: EchoServer.Script) { self.script = script }

  func handle(_ call: UnaryCall) {
    guard let first else {
      self.first = call
      return
    }
    first.reply(Array(first.message))
  }

  func cancelled(_ call: UnaryCall) {
    script.cancelled.withLock { $0 += 1 }
    call.fail(GRPCStatus(.cancelled))
  }
}

/// Answers with some of the request's headers, a line each.
private final class ShowMethod: UnaryMethod {
  func handle(_ call: UnaryCall) {
    let names: [StaticString] = [
      "authorization", "x-api-key", "traceparent", "tracestate", "x-test", "grpc-timeout", "grpc-encoding",
      ":authority",
    ]
    var lines = call.wasCompressed ? ["compressed"] : []
    for name in names {
      if let value = call.metadata(name) { lines.append("\(name): \(String(decoding: value, as: UTF8.self))") }
    }
    call.reply(Array(lines.joined(separator: "\n").utf8))
  }
}

/// Answers each request of a stream with its own tensors, as often as its parameter `repeat` says; the model `fail`
/// fails the request, and `end` the stream. Stops reading while answers wait to be sent.
private final class EchoStreamMethod: StreamMethod {
  private let script: EchoServer.Script
  init(_ script: EchoServer.Script) { self.script = script }

  func open(_ stream: ServerStream) -> any StreamHandler { Handler(stream, script) }

  private final class Handler: StreamHandler {
    private let stream: ServerStream
    private let script: EchoServer.Script
    private var owed: [(ModelInferResponse, count: Int64)] = []
    private var hasEnded = false

    init(_ stream: ServerStream, _ script: EchoServer.Script) {
      self.stream = stream
      self.script = script
    }

    func receive(_ message: MessageBuffer) {
      script.calls.withLock { $0 += 1 }
      let request = try? ModelInferRequest(decoding: UnsafeRawBufferPointer(message.bytes))
      stream.recycle(message)
      guard let request else { return stream.finish(GRPCStatus(.invalidArgument, "unreadable")) }
      if request.modelName == "end" { return stream.finish(GRPCStatus(.resourceExhausted, "enough")) }
      if request.modelName == "fail" {
        let named = ModelInferResponse(modelName: "fail")
        return stream.send(ModelStreamInferResponse(errorMessage: "no", response: named).encoded())
      }
      var count: Int64 = 1
      if case .int64(let given)? = request.parameters["repeat"] { count = given }
      owed.append((answer(to: request), count))
      work()
    }

    func receiveEnd() {
      hasEnded = true
      work()
    }

    func drained() { work() }
    func cancelled() { script.cancelled.withLock { $0 += 1 } }

    private func work() {
      while !owed.isEmpty, !stream.isCongested {
        stream.send(ModelStreamInferResponse(response: owed[0].0).encoded())
        owed[0].count -= 1
        if owed[0].count == 0 { owed.removeFirst() }
      }
      if owed.isEmpty {
        stream.resume()
        if hasEnded { stream.finish() }
      } else {
        stream.pause()
      }
    }
  }
}

/// Answers with the value of `x-test`, and sends the bytes of `x-test-bin` back in the trailers.
private final class MetadataMethod: UnaryMethod {
  func handle(_ call: UnaryCall) {
    if let bytes = call.metadata("x-test-bin") {
      call.raw.pointee.trailingMetadata.append(name: "x-test-bin", value: bytes)
    }
    call.reply(Array(call.metadata("x-test") ?? UnsafeRawBufferPointer(start: nil, count: 0)))
  }
}

/// A directory of its own for one test, removed with the value.
final class TemporaryDirectory {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  /// A certificate for `localhost` and 127.0.0.1 that signs itself.
  func makeCertificate(_ name: String = "server") throws -> TLSConfiguration {
    let openssl = Process()
    openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    openssl.arguments = [
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
      "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
      "-keyout", file("\(name).key"), "-out", file("\(name).pem"),
    ]
    openssl.standardError = FileHandle.nullDevice
    try openssl.run()
    openssl.waitUntilExit()
    return TLSConfiguration(certificateFile: file("\(name).pem"), keyFile: file("\(name).key"))
  }
}
