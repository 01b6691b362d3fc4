import ApusClient
import Foundation
import GRPC
import Synchronization
import Testing
import Threads
import Transport

@Suite struct ChannelTests {
  @Test func `a message goes to the server and comes back`() throws {
    let server = try EchoServer()
    let channel = try Channel(server.address)
    #expect(try channel.call("/test.Echo/Echo", Array("hello".utf8)).message == Array("hello".utf8))
  }

  @Test func `an empty message is a message`() throws {
    let server = try EchoServer()
    #expect(try Channel(server.address).call("/test.Echo/Echo", []).message == [])
  }

  @Test func `calls follow each other on one connection`() throws {
    let server = try EchoServer(loops: 2)
    let channel = try Channel(server.address)
    for number in 0..<200 {
      let message = Array(repeating: UInt8(truncatingIfNeeded: number), count: 100 * number)
      #expect(try channel.call("/test.Echo/Echo", message).message == message)
    }
  }

  @Test func `a Unix socket serves as well`() throws {
    let directory = try TemporaryDirectory()
    let server = try EchoServer(on: "unix:\(directory.file("apus.sock"))")
    #expect(try Channel(server.address).call("/test.Echo/Echo", [1, 2, 3]).message == [1, 2, 3])
  }

  @Test func `messages larger than every window pass in both directions`() throws {
    let server = try EchoServer()
    let channel = try Channel(server.address)
    // A prime length, so that no block that is lost or doubled goes unseen.
    let block = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 >> 8 ^ $0) }
    let message = Array(repeatElement(block, count: 370).joined())
    #expect(try channel.call("/test.Echo/Echo", message).message == message)
    #expect(try channel.call("/test.Echo/Grow", [80]).message.count == 80 << 20)
  }

  @Test func `an answer over the channel's limit is refused, with both sizes`() throws {
    let server = try EchoServer()
    var options = ChannelOptions()
    options.maxMessageBytes = 1000
    let channel = try Channel(server.address, options: options)
    let error = #expect(throws: ClientError.self) { try channel.call("/test.Echo/Grow", [1]) }
    #expect(error?.code == .resourceExhausted)
    #expect(error?.message == "the answer has 1048576 bytes; this channel takes 1000")
    #expect(try channel.call("/test.Echo/Echo", [1]).message == [1])
  }

  @Test func `a failure has the server's code and its message as it was written`() throws {
    let server = try EchoServer()
    let channel = try Channel(server.address)
    let error = #expect(throws: ClientError.self) { try channel.call("/test.Echo/Refuse", []) }
    #expect(error?.origin == .server)
    #expect(error?.code == .failedPrecondition)
    #expect(error?.message == "no: 100 % zu spät\n")
    #expect(try channel.call("/test.Echo/Echo", [1]).message == [1])
  }

  @Test func `metadata travels both ways, and -bin values as bytes`() throws {
    let server = try EchoServer()
    var metadata: Metadata = ["X-Test": "here"]
    metadata.append("x-test-bin", bytes: [0, 255, 128, 7])
    let reply = try Channel(server.address).call("/test.Echo/Metadata", [], metadata: metadata)
    #expect(reply.message == Array("here".utf8))
    #expect(reply.trailers.bytes(of: "x-test-bin") == [0, 255, 128, 7])
    #expect(reply.trailers["grpc-status"] == nil)
  }

  @Test func `an unknown method is unimplemented`() throws {
    let server = try EchoServer()
    let channel = try Channel(server.address)
    let error = #expect(throws: ClientError.self) { try channel.call("/test.Echo/Nothing", [1]) }
    #expect(error?.code == .unimplemented)
    #expect(error?.message == "service test.Echo has no method 'Nothing'")
  }

  @Test func `a call past its time-out fails, and the next one works`() throws {
    let server = try EchoServer()
    let channel = try Channel(server.address)
    let error = #expect(throws: ClientError.self) {
      try channel.call("/test.Echo/Wait", [], timeout: .milliseconds(30))
    }
    #expect(error?.code == .deadlineExceeded)
    server.waiting.arrived.wait()
    server.waiting.answers.withLock { $0.forEach { $0(.success([])) } }
    #expect(try channel.call("/test.Echo/Echo", [1], timeout: .seconds(60)).message == [1])
  }

  @Test func `a server that goes away in the middle of a call is a lost connection`() throws {
    let server = try EchoServer()
    let address = server.address
    let stopper = Thread { [waiting = server.waiting, server = Box(server)] in
      waiting.arrived.wait()
      server.value.stop()
    }
    stopper.start()
    let channel = try Channel(address)
    let error = #expect(throws: ClientError.self) { try channel.call("/test.Echo/Wait", []) }
    #expect(error?.origin == .connection)
    #expect(error?.code == .unavailable)
    #expect(error?.message.hasPrefix("the connection to \(address) is lost") == true)
  }

  @Test func `a connection that was closed while idle is made anew`() throws {
    let directory = try TemporaryDirectory()
    let address = "unix:\(directory.file("apus.sock"))"
    let first = try EchoServer(on: address)
    let channel = try Channel(address)
    _ = try channel.call("/test.Echo/Echo", [1])
    first.drain()
    first.stop()
    let second = try EchoServer(on: address)
    #expect(try channel.call("/test.Echo/Echo", [2]).message == [2])
    second.stop()
  }

  @Test func `where nothing listens, the error says so and what to do`() throws {
    let channel = try Channel("127.0.0.1:1")
    let error = #expect(throws: ClientError.self) { try channel.call("/test.Echo/Echo", []) }
    #expect(error?.origin == .connection)
    #expect(
      error?.message == "nothing listens on 127.0.0.1:1: Connection refused. Is the server running? "
        + "Start it with `apus serve`")
  }

  @Test func `what is no address is refused before anything is connected`() {
    let error = #expect(throws: ClientError.self) { try Channel("localhost") }
    #expect(error?.message == "'localhost' is no address; expected HOST:PORT, [IPv6]:PORT, :PORT or unix:PATH")
  }
}

@Suite struct TLSChannelTests {
  @Test func `a server whose certificate is trusted is called over TLS`() throws {
    let directory = try TemporaryDirectory()
    let certificate = try directory.makeCertificate()
    let server = try EchoServer(tls: certificate)
    var tls = TLSOptions()
    tls.caFile = certificate.certificateFile
    let channel = try Channel(server.address, options: ChannelOptions(tls: tls))
    let message = Array(repeating: 5 as UInt8, count: 3 << 20)
    #expect(try channel.call("/test.Echo/Echo", message).message == message)
    #expect(try channel.call("/test.Echo/Grow", [20]).message.count == 20 << 20)
  }

  @Test func `a server whose certificate is not trusted is not called`() throws {
    let directory = try TemporaryDirectory()
    let server = try EchoServer(tls: try directory.makeCertificate())
    var tls = TLSOptions()
    tls.caFile = try directory.makeCertificate("other").certificateFile
    let channel = try Channel(server.address, options: ChannelOptions(tls: tls))
    let error = #expect(throws: ClientError.self) { try channel.call("/test.Echo/Echo", []) }
    #expect(error?.origin == .connection)
    #expect(error?.message.contains("certificate verify failed") == true)
  }

  @Test func `a client without the certificate that is asked for is turned away, with it is let in`() throws {
    let directory = try TemporaryDirectory()
    let client = try directory.makeCertificate("client")
    var certificate = try directory.makeCertificate()
    certificate.clientCAFile = client.certificateFile
    certificate.requiresClientCertificate = true
    let server = try EchoServer(tls: certificate)
    var tls = TLSOptions()
    tls.caFile = certificate.certificateFile
    let stranger = try Channel(server.address, options: ChannelOptions(tls: tls))
    let error = #expect(throws: ClientError.self) { try stranger.call("/test.Echo/Echo", []) }
    #expect(error?.origin == .connection)
    tls.certificateFile = client.certificateFile
    tls.keyFile = client.keyFile
    let known = try Channel(server.address, options: ChannelOptions(tls: tls))
    #expect(try known.call("/test.Echo/Echo", [4]).message == [4])
  }

  @Test func `plain text to a TLS server is a lost connection, not a hang`() throws {
    let directory = try TemporaryDirectory()
    let server = try EchoServer(tls: try directory.makeCertificate())
    let channel = try Channel(server.address)
    let error = #expect(throws: ClientError.self) { try channel.call("/test.Echo/Echo", []) }
    #expect(error?.origin == .connection)
  }
}

/// Carries a value into another thread.
private final class Box<Value>: @unchecked Sendable {  // the test waits for the other thread's effect
  let value: Value
  init(_ value: Value) { self.value = value }
}
