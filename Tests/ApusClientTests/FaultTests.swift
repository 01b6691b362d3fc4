import ApusClient
import Foundation
import GRPC
import HTTP2
import Inference
import Testing
import Threads
import Transport

/// What servers and networks do to a client, done by real servers in this process.
@Suite(.timeLimit(.minutes(2))) struct FaultTests {
  private func socketAddress(_ directory: TemporaryDirectory) -> String { "unix:\(directory.file("apus.sock"))" }

  @Test func `a server that was restarted between calls is connected to again`() async throws {
    let directory = try TemporaryDirectory()
    let first = try EchoServer(on: socketAddress(directory))
    var options = InferenceClient.Options()
    options.backoff.initial = .milliseconds(1)
    let client = try InferenceClient(socketAddress(directory), options: options)
    #expect(try await client.call("/test.Echo/Echo", [1]).message == [1])
    first.drain()
    first.stop()
    let second = try EchoServer(on: socketAddress(directory))
    for number in 0..<10 as Range<UInt8> {
      let reply = try await client.call("/test.Echo/Echo", [number], options: CallOptions(waitsForConnection: true))
      #expect(reply.message == [number])
    }
    second.stop()
  }

  @Test func `a server that drains lets running calls finish, and new ones go to the other`() async throws {
    let first = try EchoServer()
    let second = try EchoServer()
    let client = try InferenceClient([first.address, second.address])
    // Both are connected to, and the first has a call.
    while client.metrics.openConnections < 2 { _ = try await client.call("/test.Echo/Echo", []) }
    async let held = client.call("/test.Echo/Wait", [7])
    await waitUntil { first.waiting.count + second.waiting.count == 1 }
    let holder = first.waiting.count == 1 ? first : second
    // On a thread of its own: it blocks until the call has ended.
    let drained = Latch(count: 1)
    try OwnThread(name: "drain") {
      holder.drain()
      drained.countDown()
    }.detach()
    await waitUntil { client.metrics.openConnections == 1 }
    for _ in 0..<20 { _ = try await client.call("/test.Echo/Echo", [1]) }
    holder.waiting.answerAll()
    #expect(try await held.message == [])
    drained.wait()
    #expect(client.metrics.callsFinished.keys.sorted { $0.rawValue < $1.rawValue } == [.ok])
  }

  @Test func `with one of two addresses dead every call succeeds`() async throws {
    let server = try EchoServer()
    for addresses in [["127.0.0.1:1", server.address], [server.address, "127.0.0.1:1"]] {
      let client = try InferenceClient(addresses)
      for number in 0..<50 as Range<UInt8> {
        #expect(try await client.call("/test.Echo/Echo", [number]).message == [number])
      }
      #expect(client.metrics.openConnections == 1)
    }
  }

  @Test func `a server that dies under calls fails those that may have run and keeps the idempotent ones`() async throws
  {
    let dying = try EchoServer()
    let healthy = try EchoServer()
    var options = InferenceClient.Options()
    options.balancing = .roundRobin
    let client = try InferenceClient([dying.address, healthy.address], options: options)
    while client.metrics.openConnections < 2 { _ = try await client.call("/test.Echo/Echo", []) }
    let calls = (0..<8).map { index in
      Task { try await client.call("/test.Echo/Wait", [], options: CallOptions(isIdempotent: index >= 4)) }
    }
    await waitUntil {
      dying.waiting.count + healthy.waiting.count == 8
    }
    dying.stop()
    // The idempotent calls of the dead server come to the healthy one.
    var answered = 0
    var failed = 0
    for (index, call) in calls.enumerated() {
      let answers = Task {
        while !Task.isCancelled {
          healthy.waiting.answerAll()
          await Task.yield()
        }
      }
      switch await call.result {
      case .success: answered += 1
      case .failure(let error):
        failed += 1
        #expect(index < 4)
        #expect((error as? ClientError)?.origin == .connection)
        #expect((error as? ClientError)?.mayHaveRun == true)
      }
      answers.cancel()
    }
    #expect(failed == 2 && answered == 6)
    #expect(client.metrics.retries == 2)
  }

  @Test func `a call that waits for a connection gets one when the server comes`() async throws {
    let directory = try TemporaryDirectory()
    var options = InferenceClient.Options()
    options.backoff.initial = .milliseconds(5)
    options.backoff.maximum = .milliseconds(20)
    let client = try InferenceClient(socketAddress(directory), options: options)
    let call = Task {
      try await client.call("/test.Echo/Echo", [5], options: CallOptions(waitsForConnection: true))
    }
    await waitUntil { client.metrics.failedConnections > 0 }
    let server = try EchoServer(on: socketAddress(directory))
    #expect(try await call.value.message == [5])
    server.stop()
  }

  @Test func `a call that waits for a connection gives up at its deadline, and says what was wrong`() async throws {
    let client = try InferenceClient("127.0.0.1:1")
    await #expect(throws: ClientError.self) { try await client.call("/test.Echo/Echo", []) }
    let error = await #expect(throws: ClientError.self) {
      try await client.call(
        "/test.Echo/Echo", [], options: CallOptions(timeout: .milliseconds(500), waitsForConnection: true))
    }
    #expect(error?.code == .deadlineExceeded)
    #expect(error?.mayHaveRun == false)
    #expect(error?.message.contains("nothing listens on 127.0.0.1:1") == true)
  }

  @Test func `a call that does not wait for a connection fails though one before it does`() async throws {
    let release = Latch(count: 1)
    let resolver = NameResolver { _ in
      release.wait()
      return .success((try? ResolvedAddress.resolve(SocketAddress("127.0.0.1:1")!)) ?? [])
    }
    let client = try InferenceClient(["dead.test:1"], options: InferenceClient.Options(), resolver: resolver)
    let patient = Task {
      try await client.call("/test.Echo/Echo", [], options: CallOptions(waitsForConnection: true))
    }
    await waitUntil { client.metrics.callsStarted == 1 }
    let hasty = Task { try await client.call("/test.Echo/Echo", [], options: CallOptions(timeout: .seconds(20))) }
    await waitUntil { client.metrics.callsStarted == 2 }
    release.countDown()
    let error = await #expect(throws: ClientError.self) { try await hasty.value }
    #expect(error?.code == .unavailable)
    #expect(client.metrics.callsRunning == 1)
    patient.cancel()
    _ = await patient.result
  }

  @Test func `more calls than the server allows at once wait, and all are answered`() async throws {
    let server = try EchoServer(limits: { $0.http2.maxConcurrentStreams = 4 })
    let client = try InferenceClient(server.address)
    try await withThrowingTaskGroup { group in
      for number in 0..<200 as Range<UInt8> {
        group.addTask { try await expectEcho(of: [number], client) }
      }
      try await group.waitForAll()
    }
    #expect(client.metrics.callsFinished == [.ok: 200])
  }

  @Test(arguments: [1, 3]) func `a thousand calls at once from as many tasks get their own answers`(threads: Int)
    async throws
  {
    let server = try EchoServer(loops: 2)
    var options = InferenceClient.Options()
    options.threadCount = threads
    options.connectionsPerAddress = 2
    let client = try InferenceClient(server.address, options: options)
    try await withThrowingTaskGroup { group in
      for number in 0..<1000 {
        group.addTask {
          let message = withUnsafeBytes(of: number) { Array($0) } + Array(repeating: 3, count: 7 * number)
          try await expectEcho(of: message, client)
        }
      }
      try await group.waitForAll()
    }
    #expect(client.metrics.callsStarted == 1000)
    #expect(client.metrics.callsFinished == [.ok: 1000])
    #expect(client.metrics.latency.count == 1000)
    #expect(client.metrics.openConnections <= 2 * threads)
  }

  @Test func `a storm of cancellations ends every call at once, and the connection goes on`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let calls = (0..<300).map { _ in Task { try await client.call("/test.Echo/Wait", []) } }
    await waitUntil { client.metrics.callsStarted == 300 }
    for call in calls { call.cancel() }
    for call in calls {
      let error = await #expect(throws: ClientError.self) { try await call.value }
      #expect(error?.code == .cancelled)
    }
    #expect(try await client.call("/test.Echo/Echo", [1]).message == [1])
    #expect(client.metrics.callsRunning == 0)
    #expect(client.metrics.openConnections == 1)
    server.waiting.answerAll()
  }

  @Test func `a task that was cancelled before its call does not make it`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let call = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return try await client.call("/test.Echo/Script", [])
    }
    let error = await #expect(throws: ClientError.self) { try await call.value }
    #expect(error?.code == .cancelled)
    #expect(error?.mayHaveRun == false)
    _ = try await client.call("/test.Echo/Echo", [])
    #expect(server.script.callCount == 0)
  }

  @Test func `cancelling resets the stream, so that the server stops`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let call = Task { try await client.call("/test.Echo/Hold", []) }
    await waitUntil { server.script.callCount == 1 }
    call.cancel()
    _ = await call.result
    await waitUntil { server.script.cancelledCount == 1 }
  }

  @Test func `closing lets running calls finish and takes no new ones`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    async let running = client.call("/test.Echo/Wait", [])
    await waitUntil { server.waiting.count == 1 }
    let closing = Task { await client.close(grace: .seconds(60)) }
    var refused: ClientError?
    while refused == nil {
      do throws(ClientError) { _ = try await client.call("/test.Echo/Echo", []) } catch { refused = error }
    }
    #expect(refused?.message == "the client is closed")
    server.waiting.answerAll()
    #expect(try await running.message == [])
    await closing.value
  }

  @Test(arguments: 0..<20) func `calls beside a closing client all end`(round: Int) async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let calls = (0..<20).map { _ in Task { try await client.call("/test.Echo/Echo", [1]) } }
    for _ in 0..<round { await Task.yield() }
    await client.close()
    for call in calls {
      if case .failure(let error) = await call.result {
        #expect((error as? ClientError)?.message == "the client is closed")
      }
    }
  }

  @Test func `closing waits on all threads at once`() async throws {
    let server = try EchoServer()
    var options = InferenceClient.Options()
    options.threadCount = 2
    let client = try InferenceClient(server.address, options: options)
    // Threads take turns, so the call that runs is on the first.
    for _ in 0..<2 { _ = try await client.call("/test.Echo/Echo", []) }
    #expect(client.metrics.openConnections == 2)
    async let running = client.call("/test.Echo/Wait", [])
    await waitUntil { server.waiting.count == 1 }
    let closing = Task { await client.close(grace: .seconds(30)) }
    await waitUntil { client.metrics.openConnections == 1 }
    server.waiting.answerAll()
    #expect(try await running.message == [])
    await closing.value
  }

  @Test func `closing cancels what runs longer than its grace`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let running = Task { try await client.call("/test.Echo/Wait", []) }
    await waitUntil { server.waiting.count == 1 }
    await client.close(grace: .milliseconds(10))
    let error = await #expect(throws: ClientError.self) { try await running.value }
    #expect(error?.code == .cancelled)
    server.waiting.answerAll()
  }

  @Test func `a server that was added is found when the last look-up is old, though nothing was lost`() async throws {
    let servers = [try EchoServer(), try EchoServer()]
    let addresses = servers.map(\.address)
    let known = Locked(1)
    let resolver = NameResolver { _ in
      let count = known.withLock { $0 }
      return .success(addresses[..<count].flatMap { (try? ResolvedAddress.resolve(SocketAddress($0)!)) ?? [] })
    }
    var options = InferenceClient.Options()
    options.resolution.maximumAge = .zero
    let client = try InferenceClient(["grows.test:1"], options: options, resolver: resolver)
    for _ in 0..<10 { _ = try await client.call("/test.Echo/Echo", []) }
    #expect(client.metrics.openConnections == 1)
    known.withLock { $0 = 2 }
    while client.metrics.openConnections < 2 { _ = try await client.call("/test.Echo/Echo", []) }
  }

  @Test func `names that lead to several addresses spread calls, and a look-up that hangs holds up nobody else`()
    async throws
  {
    let servers = [try EchoServer(), try EchoServer()]
    let asked = Locked(0)
    let release = Latch(count: 1)
    let addresses = servers.map(\.address)
    let resolver = NameResolver { address in
      asked.withLock { $0 += 1 }
      if case .tcp("slow.test", _) = address {
        release.wait()
        return .failure(ClientError(.connection, .unavailable, "slow"))
      }
      return .success(addresses.flatMap { (try? ResolvedAddress.resolve(SocketAddress($0)!)) ?? [] })
    }
    var options = InferenceClient.Options()
    options.balancing = .roundRobin
    let slow = try InferenceClient(["slow.test:1"], options: options, resolver: resolver)
    let stuck = await #expect(throws: ClientError.self) {
      try await slow.call("/test.Echo/Echo", [], options: CallOptions(timeout: .milliseconds(20)))
    }
    #expect(stuck?.code == .deadlineExceeded)
    let client = try InferenceClient(["pair.test:1"], options: options, resolver: resolver)
    while client.metrics.openConnections < 2 { _ = try await client.call("/test.Echo/Echo", []) }
    for _ in 0..<10 { _ = try await client.call("/test.Echo/Script", []) }
    #expect(servers.map(\.script.callCount) == [5, 5])
    release.countDown()
  }
}

/// A call that gets its own message back.
func expectEcho(of message: [UInt8], _ client: InferenceClient) async throws {
  let reply = try await client.call("/test.Echo/Echo", message)
  #expect(reply.message == message)
}

/// Lets other tasks run until something is so.
func waitUntil(_ isSo: () -> Bool) async {
  while !isSo() { await Task.yield() }
}
