import Foundation
import GRPC
import HTTP2
import Inference
import Synchronization
import Threads
import Transport
import Wire

/// A gRPC server in this process with a few methods, for as long as the value lives.
final class EchoServer {
  /// Held by the method `Wait` until the test lets it answer.
  final class Waiting: Sendable {
    let answers = Mutex<[DeferredMethod.Answer]>([])
    let arrived = Latch(count: 1)
  }

  let waiting = Waiting()
  private let server: GRPCServer
  private var isRunning = true

  var address: String {
    switch server.addresses[0] {
    case .tcp(_, let port): "127.0.0.1:\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }

  init(on address: String = "127.0.0.1:0", tls: TLSConfiguration? = nil, loops: Int = 1) throws {
    var configuration = GRPCServer.Configuration(addresses: [SocketAddress(address)!], loopCount: loops)
    configuration.tls = tls
    server = try GRPCServer(configuration) { [waiting] _ in
      var methods = MethodTable()
      methods.add("test.Echo", "Echo", FunctionMethod { Array($0) })
      methods.add("test.Echo", "Grow", FunctionMethod { request in Array(repeating: 7, count: Int(request[0]) << 20) })
      methods.add(
        "test.Echo", "Refuse",
        FunctionMethod { _ throws(GRPCStatus) in throw GRPCStatus(.failedPrecondition, "no: 100 % zu spät\n") })
      methods.add("test.Echo", "Metadata", MetadataMethod())
      methods.add("inference.GRPCInferenceService", "ModelInfer", FunctionMethod(answerWithRequest))
      methods.add("inference.GRPCInferenceService", "ModelMetadata", FunctionMethod { _ in [0xff] })
      methods.add(
        "test.Echo", "Wait",
        DeferredMethod { _, answer in
          waiting.answers.withLock { $0.append(answer) }
          waiting.arrived.countDown()
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
  var response = ModelInferResponse(modelName: request.modelName)
  response.modelVersion = request.modelVersion
  response.id = request.id
  response.outputs = request.inputs
  response.parameters = request.parameters
  for output in request.outputs { response.parameters[output.name] = output.parameters["classification"] }
  return response.encoded()
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
