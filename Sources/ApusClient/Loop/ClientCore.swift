internal import EventLoops
internal import Inference
internal import Synchronization
internal import Threads

/// The event loops of one client, and the way from a task to one of them and back.
final class ClientCore: Sendable {
  let settings: ClientSettings
  let loops: [ClientLoop]
  private let nextLoop = Atomic<Int>(0)
  private let isClosed = Atomic<Bool>(false)

  init(_ addresses: [String], _ options: InferenceClient.Options, resolver: NameResolver) throws(ClientError) {
    let settings = try ClientSettings(addresses, options)
    self.settings = settings
    var loops: [ClientLoop] = []
    do {
      for index in 0..<options.threadCount {
        loops.append(try ClientLoop(index: index, settings: settings, resolver: resolver))
      }
      for (index, loop) in loops.enumerated() {
        try OwnThread(name: "apus-client-\(index)") { loop.run() }.detach()
      }
    } catch {
      throw ClientError(.client, .resourceExhausted, "no thread or descriptor for the client: \(error)")
    }
    self.loops = loops
  }

  deinit {
    // Nobody waits, so nothing is owed a grace: whoever waited held the client.
    if !isClosed.load(ordering: .relaxed) {
      for loop in loops { loop.execute { $0.close(by: .now()) {} } }
    }
  }

  func close(grace: Duration) async {
    guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
    let end = Instant.now().advanced(byNanoseconds: grace.wholeNanoseconds)
    let open = Locked(loops.count)
    await withUnsafeContinuation { continuation in
      for loop in loops {
        loop.execute { loop in
          loop.close(by: end) {
            let isLast = open.withLock { open in
              open -= 1
              return open == 0
            }
            if isLast { continuation.resume() }
          }
        }
      }
    }
  }

  func checkOpen() throws(ClientError) {
    if isClosed.load(ordering: .relaxed) {
      throw ClientError(.client, .unavailable, "the client is closed", mayHaveRun: false)
    }
  }

  /// The loop whose thread this is, or else each in turn.
  func chooseLoop() -> ClientLoop {
    if loops.count == 1 { return loops[0] }
    if let current = loops.first(where: { $0.executor.isCurrent }) { return current }
    let turn = nextLoop.wrappingAdd(1, ordering: .relaxed).oldValue
    return loops[Int(UInt(bitPattern: turn) % UInt(loops.count))]
  }

  /// Runs a unary call to its end. The operation has the result.
  func run(_ operation: UnaryOperation) async {
    let loop = chooseLoop()
    await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        operation.continuation = continuation
        loop.submit(operation)
      }
    } onCancel: {
      loop.execute { _ in operation.cancel() }
    }
    operation.seeOutcome()
  }

  var metrics: ClientMetrics {
    var metrics = ClientMetrics()
    for loop in loops { loop.counters.add(to: &metrics) }
    return metrics
  }
}
