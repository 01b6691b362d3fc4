internal import ApusClient

func fast(_ client: InferenceClient, _ requests: [InferRequest]) async throws {
  // snippet.executor
  try await withTaskExecutorPreference(client.executors[0]) {
    try await withThrowingTaskGroup { group in
      for request in requests {
        group.addTask { _ = try await client.infer(request) }
      }
      try await group.waitForAll()
    }
  }
  // snippet.end

  // snippet.metrics
  let metrics = client.metrics
  print(metrics.callsFinished[.ok, default: 0], metrics.retries, metrics.openConnections)
  if let slow = metrics.latency.quantile(0.99) { print("99 % were answered within \(slow)") }
  // snippet.end
}
