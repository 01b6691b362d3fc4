import Control
import Inference
import ScriptedBackend
import Serving
import Synchronization
import Telemetry
import Testing

/// What a load of a model says in the log.
private func warnings(about configuration: String, hasResponseCache: Bool) async throws -> String {
  let lines = Lines()
  let output = LogOutput(level: .warning, form: .text) { lines.append($0) }
  let repository = TemporaryRepository()
  repository.writeModel("m")
  repository.write("m/config.pbtxt", configuration)
  let loader = DeploymentLoader(
    backends: [ScriptedBackend()], hasResponseCache: hasResponseCache, log: output.log("apus.models"))
  let lifecycle = ModelLifecycle(
    options: ControlOptions(repositories: [repository.path]), loader: loader,
    composer: SnapshotComposer(board: ServingBoard()), log: .off)
  #expect(try await lifecycle.start().isEmpty)
  #expect(try lifecycle.configuration("m").usesResponseCache == configuration.contains("enable: true"))
  await lifecycle.drainAll()
  return lines.text
}

private final class Lines: Sendable {
  private let lines = Mutex("")
  func append(_ line: String) { lines.withLock { $0 += line } }
  var text: String { lines.withLock { $0 } }
}

@Test func `a model that asks for a cache that the server has not is served, and the log names the option`() async throws {
  let text = try await warnings(about: "response_cache { enable: true }", hasResponseCache: false)
  #expect(text.contains("response_cache") && text.contains("--response-cache-bytes") && text.contains("model=m"))
  #expect(try await warnings(about: "response_cache { enable: true }", hasResponseCache: true) == "")
  #expect(try await warnings(about: "response_cache { enable: false }", hasResponseCache: false) == "")
}

@Test func `a model whose answers keep their order is told that the cache is nothing for it`() async throws {
  let text = try await warnings(
    about: "max_batch_size: 4 response_cache { enable: true } dynamic_batching { preserve_ordering: true }",
    hasResponseCache: true)
  #expect(text.contains("response_cache") && text.contains("preserve_ordering"))
}
