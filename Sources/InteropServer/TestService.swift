import EventLoops
import GRPC
import Inference
import Wire

/// `grpc.testing.TestService`, as gRPC's interoperability tests expect it.
///
/// Source: gRPC, "gRPC Interop Test Case Descriptions" (interop-test-descriptions.md), Server.
enum TestService {
  static let name = "grpc.testing.TestService"

  static func methods(_ loop: GRPCLoop) -> MethodTable {
    var table = MethodTable()
    table.add(name, "EmptyCall", EchoMetadata { _, _ throws(InteropFailure) in Interop.Empty().encoded() })
    table.add(name, "UnaryCall", EchoMetadata(unaryCall))
    table.add(name, "CacheableUnaryCall", EchoMetadata(unaryCall))
    table.add(name, "StreamingOutputCall", EachStream { OutputStream($0, loop, sendsAtOnce: true) })
    table.add(name, "StreamingInputCall", EachStream { InputStream($0) })
    table.add(name, "FullDuplexCall", EachStream { OutputStream($0, loop, sendsAtOnce: true) })
    table.add(name, "HalfDuplexCall", EachStream { OutputStream($0, loop, sendsAtOnce: false) })
    return table
  }

  private static func unaryCall(
    _ message: UnsafeRawBufferPointer, _ call: UnaryCall
  ) throws(InteropFailure) -> [UInt8] {
    let request: Interop.SimpleRequest = try decode(message)
    if let expected = request.expectCompressed, expected != call.wasCompressed {
      throw InteropFailure(GRPCStatus(.invalidArgument, "the request was expected to be compressed: \(expected)"))
    }
    if let status = request.responseStatus, status.code != 0 { throw InteropFailure(status) }
    if request.responseCompressed == true { call.compressResponse(.gzip) }
    return Interop.SimpleResponse(payload: zeros(request.responseSize)).encoded()
  }

  static func zeros(_ count: Int32) -> [UInt8] { [UInt8](repeating: 0, count: Int(max(count, 0))) }

  static func decode<Message: WireMessage>(_ bytes: UnsafeRawBufferPointer) throws(InteropFailure) -> Message {
    do { return try Message(decoding: bytes) } catch {
      throw InteropFailure(GRPCStatus(.invalidArgument, error.message))
    }
  }
}

/// The status a test case asked for.
struct InteropFailure: Error {
  let status: GRPCStatus

  init(_ status: GRPCStatus) { self.status = status }

  init(_ echo: Interop.EchoStatus) {
    status = GRPCStatus(GRPCStatus.Code(rawValue: Int(echo.code)) ?? .unknown, echo.message)
  }
}

/// A unary method that also sends back what the `custom_metadata` case sends.
final class EchoMetadata: UnaryMethod {
  private let body: (UnsafeRawBufferPointer, UnaryCall) throws(InteropFailure) -> [UInt8]

  init(_ body: @escaping (UnsafeRawBufferPointer, UnaryCall) throws(InteropFailure) -> [UInt8]) { self.body = body }

  func handle(_ call: UnaryCall) {
    if let value = call.metadata("x-grpc-test-echo-initial") {
      call.addInitialMetadata("x-grpc-test-echo-initial", String(decoding: value, as: UTF8.self))
    }
    if let value = call.metadata("x-grpc-test-echo-trailing-bin") {
      call.addTrailingMetadata("x-grpc-test-echo-trailing-bin", String(decoding: value, as: UTF8.self))
    }
    do throws(InteropFailure) {
      call.reply(try body(call.message, call))
    } catch {
      call.fail(error.status)
    }
  }
}

/// A streaming method with one handler object a call.
final class EachStream: StreamMethod {
  private let makeHandler: (ServerStream) -> any StreamHandler

  init(_ makeHandler: @escaping (ServerStream) -> any StreamHandler) { self.makeHandler = makeHandler }

  func open(_ stream: ServerStream) -> any StreamHandler {
    if let value = stream.metadata("x-grpc-test-echo-initial") {
      stream.addInitialMetadata("x-grpc-test-echo-initial", String(decoding: value, as: UTF8.self))
    }
    if let value = stream.metadata("x-grpc-test-echo-trailing-bin") {
      stream.addTrailingMetadata("x-grpc-test-echo-trailing-bin", String(decoding: value, as: UTF8.self))
    }
    return makeHandler(stream)
  }
}
