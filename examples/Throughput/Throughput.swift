internal import ApusClient
internal import ArgumentParser
internal import Glibc

/// Asks one model as often as it can, from many tasks: an example of a program that makes very many calls.
///
/// Its tasks run on the client's own event loop (`withTaskExecutorPreference`), so that a call changes no thread; with
/// `--tasks-on pool` they run where Swift puts them.
@main struct Throughput: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "Throughput",
    abstract: "Ask a model as often as possible, and say what that cost.",
    discussion: """
      Prints one line of JSON: calls, seconds, CPU seconds of this program, and latency in microseconds.

      EXAMPLE:
        Throughput --server 127.0.0.1:8001 --model identity_uint8 --bytes 64 --tasks 64 --calls 200000
      """)

  enum Place: String, ExpressibleByArgument, CaseIterable { case loop, pool }

  @Option(help: "The server's address.")
  var server = "127.0.0.1:8001"

  @Option(help: "A model with one UINT8 input of shape [-1, -1], which is answered with one output.")
  var model = "identity_uint8"

  @Option(help: "The input's name.")
  var input = "INPUT0"

  @Option(help: "Bytes of the input.")
  var bytes = 64

  @Option(help: "Calls in flight.")
  var tasks = 64

  @Option(help: "Connections.")
  var connections = 1

  @Option(help: "Calls in all, after a tenth of them to warm up.")
  var calls = 100_000

  @Option(help: "Where the tasks run: on the client's event loop, or in Swift's thread pool.")
  var tasksOn = Place.loop

  func run() async throws {
    var options = InferenceClient.Options()
    options.connectionsPerAddress = connections
    let client = try InferenceClient(server, options: options)
    try await ask(client, times: calls / 10)
    let before = client.metrics
    let start = Usage.now()
    try await ask(client, times: calls)
    let used = Usage.now() - start
    let latency = client.metrics.latency.since(before.latency)
    print(
      """
      {"calls": \(calls), "seconds": \(used.wall), "cpu_seconds": \(used.cpu), \
      "p50_us": \(microseconds(latency.quantile(0.5))), "p99_us": \(microseconds(latency.quantile(0.99)))}
      """)
    await client.close()
  }

  private func ask(_ client: InferenceClient, times: Int) async throws {
    switch tasksOn {
    case .loop:
      try await withTaskExecutorPreference(client.executors[0]) { try await askFromTasks(client, times: times) }
    case .pool: try await askFromTasks(client, times: times)
    }
  }

  /// As many tasks as calls shall be in flight, each with its share of them.
  private func askFromTasks(_ client: InferenceClient, times: Int) async throws {
    let values = (0..<bytes).map { UInt8(truncatingIfNeeded: $0) }
    let tensor = Tensor(name: input, values, shape: [1, Int64(bytes)])
    let request = InferRequest(model: model, inputs: [tensor])
    try await withThrowingTaskGroup { group in
      for task in 0..<tasks {
        let share = times / tasks + (task < times % tasks ? 1 : 0)
        group.addTask {
          for _ in 0..<share {
            let answer = try await client.infer(request)
            guard let output = answer.outputs.first, output.byteCount == tensor.byteCount else {
              throw ValidationError("the answer has not the bytes of the request")
            }
          }
        }
      }
      try await group.waitForAll()
    }
  }

  private func microseconds(_ duration: Duration?) -> Int64 {
    Int64((duration ?? .zero) / .microseconds(1))
  }
}

/// What the process has used so far, in seconds.
private struct Usage {
  var wall: Double
  var cpu: Double

  static func now() -> Usage {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let cpu =
      Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
      + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    return Usage(wall: Double(time.tv_sec) + Double(time.tv_nsec) / 1e9, cpu: cpu)
  }

  static func - (later: Usage, earlier: Usage) -> Usage {
    Usage(wall: later.wall - earlier.wall, cpu: later.cpu - earlier.cpu)
  }
}
