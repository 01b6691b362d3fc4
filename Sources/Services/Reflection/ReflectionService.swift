internal import GRPC
internal import Inference
internal import Wire

/// `grpc.reflection` v1 and v1alpha, which differ in their names only: what `grpcurl` and its like ask first.
///
/// Source: gRPC, server-reflection.md.
final class ReflectionMethod: StreamMethod {
  static let names = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]

  private let services: [String]

  /// - Parameter services: Full names of what this server serves.
  init(services: [String]) { self.services = services.sorted() }

  func open(_ stream: ServerStream) -> any StreamHandler { ReflectionStream(stream, services: services) }
}

private final class ReflectionStream: StreamHandler {
  private let stream: ServerStream
  private let services: [String]

  init(_ stream: ServerStream, services: [String]) {
    self.stream = stream
    self.services = services
  }

  func receive(_ message: MessageBuffer) {
    defer { stream.recycle(message) }
    do throws(InferenceError) {
      let request = try ServerReflectionRequest(decoding: UnsafeRawBufferPointer(message.bytes))
      let response = ServerReflectionResponse(
        validHost: request.host, originalRequest: request, answer: answer(to: request.question))
      stream.send(response.encoded())
      if stream.isCongested { stream.pause() }
    } catch {
      stream.finish(GRPCStatus(error))
    }
  }

  func receiveEnd() { stream.finish() }
  func cancelled() {}
  func drained() { stream.resume() }

  private func answer(to question: ServerReflectionRequest.Question?) -> ServerReflectionResponse.Answer {
    let all = FileDescriptors.all
    switch question {
    case .fileByFilename(let name):
      return files(all.file(named: name), "file '\(name)'")
    case .fileContainingSymbol(let symbol):
      return files(all.file(containing: symbol), "symbol '\(symbol)'")
    case .fileContainingExtension(let type, let number):
      return notFound("extension \(number) of '\(type)'")
    case .allExtensionNumbers(let type):
      guard all.file(containing: type) != nil else { return notFound("type '\(type)'") }
      return .extensionNumbers(type: type, [])
    case .listServices:
      return .services(services)
    case nil:
      return .error(code: Int32(GRPCStatus.Code.invalidArgument.rawValue), message: "message_request is not set")
    }
  }

  private func files(_ file: FileDescriptors.File?, _ what: String) -> ServerReflectionResponse.Answer {
    guard let file else { return notFound(what) }
    return .files(FileDescriptors.all.withDependencies(file).map(\.bytes))
  }

  private func notFound(_ what: String) -> ServerReflectionResponse.Answer {
    .error(code: Int32(GRPCStatus.Code.notFound.rawValue), message: "\(what) is not known here")
  }
}
