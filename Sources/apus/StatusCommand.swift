package import ApusClient
internal import ArgumentParser
internal import Foundation

/// One look at a server: who it is, whether it serves, and what its models have done.
struct StatusCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show whether a server is ready, and what its models have done.",
    discussion: """
      The exit status is 0 when the server is ready, and 1 when it is not: a health check needs no more.

      Queue and compute are means over a model's requests since it was loaded.

      EXAMPLES:
        apus status
        apus status --server inference.example:8001 --tls --json
      """)

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await ExitStatus.report {
      let client = try client.makeClient()
      let server = try await client.serverMetadata()
      let status = ServerStatus(
        server: server, isLive: try await client.serverLive(), isReady: try await client.serverReady(),
        models: try await client.modelStatistics())
      print(json ? try status.json.text() : status.readable)
      if !status.isReady {
        ExitStatus.say("apus: the server is not ready")
        throw ExitStatus.failed
      }
    }
  }
}

/// What `apus status` found out.
package struct ServerStatus {
  let server: ServerMetadata
  let isLive: Bool
  let isReady: Bool
  let models: [ModelStatistics]

  var readable: String {
    let state = "\(isLive ? "live" : "not live"), \(isReady ? "ready" : "not ready")"
    let head = "\(server.name) \(server.version): \(state)"
    if models.isEmpty { return head + "\nno model is loaded" }
    return head + "\n\n" + ServerStatus.table(models)
  }

  package static func table(_ models: [ModelStatistics]) -> String {
    var table = TextTable(["MODEL", "VERSION", "REQUESTS", "FAILED", "ROWS", "AVERAGE BATCH", "QUEUE", "COMPUTE"])
    for model in models {
      table.append([
        model.name, model.version, "\(model.success.count)", "\(model.failure.count)", "\(model.inferenceCount)",
        model.averageBatch.map { String(format: "%.2f", $0) } ?? "-", milliseconds(model.queue),
        milliseconds(model.computeInfer),
      ])
    }
    return table.text
  }

  private static func milliseconds(_ total: ModelStatistics.Total) -> String {
    total.meanMilliseconds.map { String(format: "%.3f ms", $0) } ?? "-"
  }

  var json: JSONValue {
    .object([
      "name": .string(server.name), "version": .string(server.version),
      "extensions": .array(server.extensions.map { .string($0) }), "live": .bool(isLive), "ready": .bool(isReady),
      "models": .array(
        models.map { model in
          .object([
            "name": .string(model.name), "version": .string(model.version), "requests": .uint(model.success.count),
            "failed": .uint(model.failure.count), "rows": .uint(model.inferenceCount),
            "batches": .uint(model.executionCount), "average_batch": model.averageBatch.map { .double($0) } ?? .null,
            "queue_ms": model.queue.meanMilliseconds.map { .double($0) } ?? .null,
            "compute_ms": model.computeInfer.meanMilliseconds.map { .double($0) } ?? .null,
          ])
        }),
    ])
  }
}
