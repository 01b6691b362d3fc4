import GRPC
import GRPCClient
import Inference
import Testing
import Transport

@Suite(.timeLimit(.minutes(1))) struct ClientUnaryCallTests {
  @Test func `a message comes back, with OK`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    for count in [0, 1, 2043, 2044, 100_000, 3_000_000] {
      let message = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
      let call = try harness.call("/t.T/Echo", message, on: connection)
      #expect(call.code == .ok)
      #expect(call.outcome?.origin == .server)
      #expect(call.now.messages == [message])
      #expect(call.now.finishedCount == 1)
      #expect(call.now.tag == 7)
    }
    harness.onLoop { #expect(connection.connection?.openCalls == 0) }
  }

  @Test func `a status comes with its message and details, and the server has run the call`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    let call = try harness.call("/t.T/Fail", [1, 2, 3], on: connection)
    #expect(call.outcome?.status == GRPCStatus(.notFound, "no €uro", details: [1, 2, 3]))
    #expect(call.outcome?.origin == .server)
    #expect(call.outcome?.mayHaveRun == true)
    #expect(try harness.call("/t.T/Nothing", on: connection).code == .unimplemented)
  }

  @Test func `metadata goes out, and comes back in headers and trailers`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    for value in ["a", "b"] {
      let call = try harness.call("/t.T/Metadata", on: connection, metadata: [("x-test", value)], timeout: .seconds(90))
      #expect(call.now.headers["x-first"] == value)
      #expect(call.now.trailers["x-last"] == value)
      #expect(call.now.messages == [Array("90000000u".utf8)])
    }
  }

  @Test func `each call has its own time, also after calls with the same`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    for seconds in [90, 90, 90, 70, 90, 70] {
      let call = try harness.call("/t.T/Metadata", on: connection, timeout: .seconds(seconds))
      #expect(call.now.messages == [Array("\(seconds)000000u".utf8)])
    }
  }

  @Test(arguments: [MessageEncoding.gzip, .deflate]) func `messages are compressed both ways`(
    encoding: MessageEncoding
  ) throws {
    var options = GRPCOptions()
    options.responseEncoding = encoding
    let server = try TestServer(options: options)
    let harness = try Harness()
    let connection = try harness.connect(to: server.address) {
      $0.sendEncoding = encoding
      $0.acceptsCompression = true
    }
    connection.waitUntilReady()
    let message = [UInt8](repeating: 9, count: 100_000)
    let call = try harness.call("/t.T/Echo", message, on: connection)
    #expect(call.now.messages == [message])
    #expect(call.now.headers["grpc-encoding"] == "\(encoding.name)")
  }

  @Test func `an answer over the limit is refused by size, compressed or not`() throws {
    var options = GRPCOptions()
    options.responseEncoding = .gzip
    for server in [try TestServer(), try TestServer(options: options)] {
      let harness = try Harness()
      let connection = try harness.connect(to: server.address) {
        $0.maxMessageBytes = 8192
        $0.acceptsCompression = true
      }
      connection.waitUntilReady()
      #expect(try harness.call("/t.T/Big", [1, 1, 1, 1, 1, 1, 1, 1], on: connection).code == .ok)
      let call = try harness.call("/t.T/Big", [1, 1, 1, 1, 1, 1, 1, 1, 1], on: connection)
      #expect(call.code == .resourceExhausted)
      #expect(call.outcome?.origin == .client)
      #expect(call.outcome?.status.message.contains("8192") == true)
      // The connection is none the worse for it.
      #expect(try harness.call("/t.T/Echo", [1], on: connection).code == .ok)
    }
  }

  @Test func `a call past its deadline ends, here and at the server`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    let call = try harness.call("/t.T/Park", on: connection, timeout: .milliseconds(50))
    #expect(call.code == .deadlineExceeded)
    #expect(call.outcome?.mayHaveRun == true)
    server.park.waitForCancelled(1)
    #expect(try harness.call("/t.T/Echo", [1], on: connection, timeout: .seconds(100)).code == .ok)
  }

  @Test func `a cancelled call ends at once, and the server hears of it`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    let call = try #require(harness.start("/t.T/Park", on: connection))
    call.send([1], ends: true)
    server.park.waitForArrivals(1)
    harness.onLoop {
      call.call?.cancel()
      #expect(call.call?.isOpen == false)
      #expect(connection.connection?.openCalls == 0)
    }
    #expect(call.code == .cancelled)
    #expect(call.outcome?.origin == .cancelled)
    server.park.waitForCancelled(1)
    harness.onLoop { call.call?.cancel() }
    #expect(call.now.finishedCount == 1)
  }

  @Test func `a call that was cancelled before it left has not run`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    let recorder = CallRecorder(harness)
    harness.onLoop {
      guard let connection = connection.connection else { return }
      let template = RequestTemplate("/t.T/Echo", answer: .one, options: connection.options)
      recorder.call = connection.start(template, observer: recorder)
      recorder.call?.cancel()
    }
    #expect(recorder.outcome?.mayHaveRun == false)
    #expect(try harness.call("/t.T/Echo", [1], on: connection).code == .ok)
  }

  @Test func `a finished call's pointer does nothing to the next call in its memory`() throws {
    let server = try TestServer()
    let harness = try Harness()
    let connection = try harness.connect(to: server.address)
    connection.waitUntilReady()
    let first = try harness.call("/t.T/Echo", [1], on: connection)
    let second = try #require(harness.start("/t.T/Echo", on: connection))
    harness.onLoop {
      #expect(first.call != second.call)
      first.call?.cancel()
      #expect(second.call?.isOpen == true)
    }
    second.send([2], ends: true)
    second.waitForEnd()
    #expect(second.now.messages == [[2]])
  }
}
