import ApusClient
import Foundation
import GRPC
import Testing
import Threads
import Transport

@Suite struct CallTests {
  @Test func `a message goes to the server and comes back`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    #expect(try await client.call("/test.Echo/Echo", Array("hello".utf8)).message == Array("hello".utf8))
  }

  @Test func `an empty message is a message`() async throws {
    let server = try EchoServer()
    #expect(try await InferenceClient(server.address).call("/test.Echo/Echo", []).message == [])
  }

  @Test func `calls follow each other on one connection`() async throws {
    let server = try EchoServer(loops: 2)
    let client = try InferenceClient(server.address)
    for number in 0..<200 {
      let message = Array(repeating: UInt8(truncatingIfNeeded: number), count: 100 * number)
      #expect(try await client.call("/test.Echo/Echo", message).message == message)
    }
  }

  @Test func `a Unix socket serves as well`() async throws {
    let directory = try TemporaryDirectory()
    let server = try EchoServer(on: "unix:\(directory.file("apus.sock"))")
    #expect(try await InferenceClient(server.address).call("/test.Echo/Echo", [1, 2, 3]).message == [1, 2, 3])
  }

  @Test func `messages larger than every window pass in both directions`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    // A prime length, so that no block that is lost or doubled goes unseen.
    let block = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 >> 8 ^ $0) }
    var message: [UInt8] = []
    for _ in 0..<370 { message += block }
    #expect(try await client.call("/test.Echo/Echo", message).message == message)
    #expect(try await client.call("/test.Echo/Grow", [80]).message.count == 80 << 20)
  }

  @Test func `an answer over the client's limit is refused, with both sizes`() async throws {
    let server = try EchoServer()
    var options = InferenceClient.Options()
    options.maxMessageBytes = 1000
    let client = try InferenceClient(server.address, options: options)
    let error = await #expect(throws: ClientError.self) { try await client.call("/test.Echo/Grow", [1]) }
    #expect(error?.code == .resourceExhausted)
    #expect(error?.message == "the answer's message has 1048576 bytes; the limit is 1000")
    #expect(try await client.call("/test.Echo/Echo", [1]).message == [1])
  }

  @Test func `a failure has the server's code and its message as it was written`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let error = await #expect(throws: ClientError.self) { try await client.call("/test.Echo/Refuse", []) }
    #expect(error?.origin == .server)
    #expect(error?.code == .failedPrecondition)
    #expect(error?.message == "no: 100 % zu spät\n")
    #expect(try await client.call("/test.Echo/Echo", [1]).message == [1])
  }

  @Test func `metadata travels both ways, and -bin values as bytes`() async throws {
    let server = try EchoServer()
    var metadata: Metadata = ["X-Test": "here"]
    metadata.append("x-test-bin", bytes: [0, 255, 128, 7])
    let reply = try await InferenceClient(server.address).call(
      "/test.Echo/Metadata", [], options: CallOptions(metadata: metadata))
    #expect(reply.message == Array("here".utf8))
    #expect(reply.trailers.bytes(of: "x-test-bin") == [0, 255, 128, 7])
    #expect(reply.trailers["grpc-status"] == nil)
  }

  @Test func `an unknown method is unimplemented`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let error = await #expect(throws: ClientError.self) { try await client.call("/test.Echo/Nothing", [1]) }
    #expect(error?.code == .unimplemented)
    #expect(error?.message == "service test.Echo has no method 'Nothing'")
  }

  @Test func `a call past its time-out fails, and the next one works`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let error = await #expect(throws: ClientError.self) {
      try await client.call("/test.Echo/Wait", [], options: CallOptions(timeout: .milliseconds(30)))
    }
    #expect(error?.code == .deadlineExceeded)
    #expect(try await client.call("/test.Echo/Echo", [1]).message == [1])
    server.waiting.answerAll()  // if the call came to it at all, before its time was over
  }

  @Test func `a server that goes away in the middle of a call is a lost connection`() async throws {
    let server = try EchoServer()
    let address = server.address
    let stopper = Task.detached {
      await waitUntil { server.waiting.count == 1 }
      server.stop()
    }
    let client = try InferenceClient(address)
    let error = await #expect(throws: ClientError.self) { try await client.call("/test.Echo/Wait", []) }
    #expect(error?.origin == .connection)
    #expect(error?.code == .unavailable)
    #expect(error?.message.hasPrefix("the connection to \(address) is lost") == true)
    await stopper.value
  }

  @Test func `a connection that was closed while idle is made anew`() async throws {
    let directory = try TemporaryDirectory()
    let address = "unix:\(directory.file("apus.sock"))"
    let first = try EchoServer(on: address)
    var options = InferenceClient.Options()
    options.backoff.initial = .milliseconds(1)
    let client = try InferenceClient(address, options: options)
    _ = try await client.call("/test.Echo/Echo", [1])
    first.drain()
    first.stop()
    let second = try EchoServer(on: address)
    let reply = try await client.call("/test.Echo/Echo", [2], options: CallOptions(waitsForConnection: true))
    #expect(reply.message == [2])
    second.stop()
  }

  @Test func `where nothing listens, the error says so and what to do`() async throws {
    let client = try InferenceClient("127.0.0.1:1")
    let error = await #expect(throws: ClientError.self) { try await client.call("/test.Echo/Echo", []) }
    #expect(error?.origin == .connection)
    #expect(
      error?.message == "nothing listens on 127.0.0.1:1: Connection refused. Is the server running? "
        + "Start it with `apus serve`")
  }

  @Test func `what is no address is refused before anything is connected`() {
    let error = #expect(throws: ClientError.self) { try InferenceClient("localhost") }
    #expect(error?.message == "'localhost' is no address; expected HOST:PORT, [IPv6]:PORT, :PORT or unix:PATH")
  }
}

@Suite struct TLSCallTests {
  @Test func `a server whose certificate is trusted is called over TLS`() async throws {
    let directory = try TemporaryDirectory()
    let certificate = try directory.makeCertificate()
    let server = try EchoServer(tls: certificate)
    var tls = TLSOptions()
    tls.caFile = certificate.certificateFile
    let client = try InferenceClient(server.address, options: InferenceClient.Options(tls: tls))
    let message = Array(repeating: 5 as UInt8, count: 3 << 20)
    #expect(try await client.call("/test.Echo/Echo", message).message == message)
    #expect(try await client.call("/test.Echo/Grow", [20]).message.count == 20 << 20)
  }

  @Test func `a server whose certificate is not trusted is not called`() async throws {
    let directory = try TemporaryDirectory()
    let server = try EchoServer(tls: try directory.makeCertificate())
    var tls = TLSOptions()
    tls.caFile = try directory.makeCertificate("other").certificateFile
    let client = try InferenceClient(server.address, options: InferenceClient.Options(tls: tls))
    let error = await #expect(throws: ClientError.self) { try await client.call("/test.Echo/Echo", []) }
    #expect(error?.origin == .connection)
    #expect(error?.message.contains("certificate verify failed") == true)
  }

  @Test func `a client without the certificate that is asked for is turned away, with it is let in`() async throws {
    let directory = try TemporaryDirectory()
    let client = try directory.makeCertificate("client")
    var certificate = try directory.makeCertificate()
    certificate.clientCAFile = client.certificateFile
    certificate.requiresClientCertificate = true
    let server = try EchoServer(tls: certificate)
    var tls = TLSOptions()
    tls.caFile = certificate.certificateFile
    let stranger = try InferenceClient(server.address, options: InferenceClient.Options(tls: tls))
    let error = await #expect(throws: ClientError.self) { try await stranger.call("/test.Echo/Echo", []) }
    #expect(error?.origin == .connection)
    tls.certificateFile = client.certificateFile
    tls.keyFile = client.keyFile
    let known = try InferenceClient(server.address, options: InferenceClient.Options(tls: tls))
    #expect(try await known.call("/test.Echo/Echo", [4]).message == [4])
  }

  @Test func `plain text to a TLS server is a lost connection, not a hang`() async throws {
    let directory = try TemporaryDirectory()
    let server = try EchoServer(tls: try directory.makeCertificate())
    let client = try InferenceClient(server.address)
    let error = await #expect(throws: ClientError.self) { try await client.call("/test.Echo/Echo", []) }
    #expect(error?.origin == .connection)
  }
}
