import ApusClient
import Inference
import Testing
import Threads

@Suite(.timeLimit(.minutes(2))) struct InferStreamTests {
  private func request(_ values: [Float], model: String = "m", times: Int64 = 1) -> InferRequest {
    var request = InferRequest(model: model, inputs: [Tensor(name: "x", values)])
    if times != 1 { request.parameters["repeat"] = .int64(times) }
    return request
  }

  @Test func `requests of a stream are answered one by one, and its end is the server's`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let stream = try await client.inferStream()
    var answers = stream.makeAsyncIterator()
    for number in 0..<50 {
      try await stream.send(request([Float(number)]))
      let answer = try await answers.next()?.get()
      #expect(answer?["x"]?.elements(as: Float.self) == [Float(number)])
    }
    stream.finish()
    let early = await #expect(throws: ClientError.self) { try await stream.send(request([1])) }
    #expect(early?.code == .failedPrecondition)
    let end = try await answers.next()
    #expect(end == nil)
    let error = await #expect(throws: ClientError.self) { try await stream.send(request([1])) }
    #expect(error?.code == .failedPrecondition)
  }

  @Test func `what is sent from elsewhere and then from the client's own loop keeps its order`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let stream = try await client.inferStream()
    var answers = stream.makeAsyncIterator()
    try await stream.send(request([1]))
    _ = try await answers.next()
    let (loopIsHeld, isSent) = (Latch(count: 1), Latch(count: 1))
    let own = Task(executorPreference: client.executors[0]) {
      loopIsHeld.countDown()
      isSent.wait()
      try await stream.send(request([3]))
    }
    // The loop is held, so it can't take this one before it sends its own.
    try OwnThread(name: "sender") {
      loopIsHeld.wait()
      Task.detached {
        try await stream.send(request([2]))
        isSent.countDown()
      }
    }.detach()
    try await own.value
    for number in 2...3 {
      #expect(try await answers.next()?.get()["x"]?.elements(as: Float.self) == [Float(number)])
    }
  }

  @Test func `a request that fails leaves the stream as it is`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let stream = try await client.inferStream()
    try await stream.send(request([1], model: "fail"))
    try await stream.send(request([2]))
    stream.finish()
    var failures: [String?] = []
    for try await answer in stream { failures.append(answer.failure) }
    #expect(failures == ["no", nil])
  }

  @Test func `a stream that the server ends with a failure gives what came before, then the failure`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let stream = try await client.inferStream()
    try await stream.send(request([1]))
    try await stream.send(request([2], model: "end"))
    var count = 0
    let error = await #expect(throws: ClientError.self) {
      for try await _ in stream { count += 1 }
    }
    #expect(count == 1)
    #expect(error?.code == .resourceExhausted)
    #expect(error?.message == "enough")
  }

  @Test func `answers that nobody reads hold the server back, and none is lost`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let stream = try await client.inferStream()
    let values = [Float](repeating: 1, count: 16 << 10)
    try await stream.send(request(values, times: 2000))
    // 125 MiB, of which the windows and the client take some megabytes while nothing is read.
    stream.finish()
    // Round trips on the same connection give the server every chance to send on.
    for _ in 0..<500 { _ = try await client.call("/test.Echo/Echo", []) }
    #expect(client.metrics.bytesReceived < 64 << 20)
    var count = 0
    for try await answer in stream {
      #expect(try answer.get()["x"]?.byteCount == 64 << 10)
      count += 1
    }
    #expect(count == 2000)
  }

  @Test func `a server that reads slowly holds the sender back`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let stream = try await client.inferStream()
    let large = request([Float](repeating: 1, count: 256 << 10))
    let sender = Task {
      var sent = 0
      for _ in 0..<200 {
        try await stream.send(large)
        sent += 1
      }
      stream.finish()
      return sent
    }
    // 200 MiB; unread answers stop the server, and the server stops the sender.
    var count = 0
    for try await answer in stream {
      #expect(try answer.get()["x"]?.byteCount == 1 << 20)
      count += 1
      #expect(client.metrics.bytesSent < client.metrics.bytesReceived + 100 << 20)
    }
    #expect(try await sender.value == 200)
    #expect(count == 200)
  }

  @Test func `cancelling a task that reads ends the stream, at the server too`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let stream = try await client.inferStream()
    try await stream.send(request([1]))
    let reader = Task {
      var count = 0
      for try await _ in stream { count += 1 }
      return count
    }
    await waitUntil { client.metrics.bytesReceived > 0 }
    reader.cancel()
    let error = await #expect(throws: ClientError.self) { try await reader.value }
    #expect(error?.code == .cancelled)
    await waitUntil { server.script.cancelledCount == 1 }
  }

  @Test func `a stream that nobody holds any more is cancelled`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    do {
      let stream = try await client.inferStream()
      try await stream.send(request([1]))
      await waitUntil { server.script.callCount == 1 }
    }
    await waitUntil { server.script.cancelledCount == 1 }
    #expect(client.metrics.callsRunning == 0)
  }

  @Test func `a stream has a deadline like every call`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let stream = try await client.inferStream(options: CallOptions(timeout: .milliseconds(30)))
    var answers = stream.makeAsyncIterator()
    let error = await #expect(throws: ClientError.self) { try await answers.next() }
    #expect(error?.code == .deadlineExceeded)
  }

  @Test func `without a server the stream says so`() async throws {
    let client = try InferenceClient("127.0.0.1:1")
    let stream = try await client.inferStream()
    var answers = stream.makeAsyncIterator()
    let error = await #expect(throws: ClientError.self) { try await answers.next() }
    #expect(error?.origin == .connection)
  }

  private final class Recorder: CallInterceptor {
    let ends = Locked<[String]>([])
    func ended(_ call: CallHead, _ result: CallResult) {
      ends.withLock { $0.append("\(call.isStream) \(result.code)") }
    }
  }

  @Test func `interceptors see how a stream ended, once`() async throws {
    let server = try EchoServer()
    let recorder = Recorder()
    var options = InferenceClient.Options()
    options.interceptors = [recorder]
    let client = try InferenceClient(server.address, options: options)
    let stream = try await client.inferStream()
    try await stream.send(request([1], model: "end"))
    var answers = stream.makeAsyncIterator()
    _ = await #expect(throws: ClientError.self) { try await answers.next() }
    stream.cancel()
    #expect(recorder.ends.withLock { $0 } == ["true RESOURCE_EXHAUSTED"])
  }
}
