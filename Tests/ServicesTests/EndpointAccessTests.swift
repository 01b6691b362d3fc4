import Access
import GRPC
import Inference
import RawClient
import Serving
import Synchronization
import Testing
import Threads
import Wire

private let service = "/inference.GRPCInferenceService/"

/// Verifies tokens as a test says, and holds those up that it is told to.
private final class Verifier: Sendable {
  private struct State {
    var asked: [String] = []
    var waiting: [CheckedContinuation<Void, Never>] = []
    var isOpen = true
  }
  private let state = Mutex(State())

  var asked: [String] { state.withLock { $0.asked } }

  func close() { state.withLock { $0.isOpen = false } }

  func open() {
    let waiting = state.withLock { state in
      state.isOpen = true
      defer { state.waiting = [] }
      return state.waiting
    }
    for one in waiting { one.resume() }
  }

  func verify(_ credential: PresentedCredential, _ endpoint: String, _ access: EndpointAccess) async -> CredentialVerdict {
    let text = String(decoding: credential.authorization, as: UTF8.self)
    await withCheckedContinuation { continuation in
      let goesOn = state.withLock { state in
        state.asked.append("\(endpoint): \(text)")
        if !state.isOpen { state.waiting.append(continuation) }
        return state.isOpen
      }
      if goesOn { continuation.resume() }
    }
    let outcome: CredentialVerdict.Outcome = text.hasSuffix("good") ? .allowed(caller: 9) : .refused(.forbidden)
    return CredentialVerdict(outcome, expires: .max, generation: access.generation, log: "")
  }
}

private func world(_ verifier: Verifier) throws -> EndpointWorld {
  try EndpointWorld(
    EndpointPolicy(name: "m", access: .aadToken(endpoint: 1, generation: 1)),
    unknown: .aadToken(endpoint: 0, generation: 1),
    verification: { await verifier.verify($0, $1, $2) })
}

private let good = [("authorization", "Bearer ey.good")]
private let bad = [("authorization", "Bearer ey.bad")]

@Test func `a token is verified once, and a call waits for it`() async throws {
  let verifier = Verifier()
  let world = try world(verifier)
  let client = try world.connect()
  for _ in 0..<3 {
    let reply = try await client.infer(good)
    #expect(reply.status == 0 && reply.headers["azureml-model-deployment"] == "blue")
  }
  #expect(verifier.asked == ["m: Bearer ey.good"])
  for _ in 0..<2 {
    let reply = try await client.infer(bad)
    #expect(reply.status == GRPCStatus.Code.permissionDenied.rawValue)
    #expect(reply.message == "the credential does not allow this")
    #expect(reply.headers["azureml-model-deployment"] == nil)
  }
  #expect(verifier.asked.count == 2)
  let none = try await client.infer()
  #expect(none.status == GRPCStatus.Code.unauthenticated.rawValue)
  await world.end()
}

@Test func `calls with one token wait for one verification, and those that are given up do no harm`() async throws {
  let verifier = Verifier()
  let world = try world(verifier)
  let client = try world.connect()
  verifier.close()
  var calls: [Int32] = []
  for _ in 0..<5 { calls.append(try await client.open(service + "ModelInfer", good)) }
  for call in calls { try await client.send(framed(EndpointWorld.message()), on: call, ends: true) }
  // Deadlines pass while they wait.
  let late = try await client.call(service + "ModelInfer", [EndpointWorld.message()], good + [("grpc-timeout", "20m")])
  #expect(late.status == GRPCStatus.Code.deadlineExceeded.rawValue)
  try await client.reset(calls[1])
  #expect(try await client.call(service + "ServerLive").status == 0)
  verifier.open()
  for call in [calls[0], calls[2], calls[3], calls[4]] { #expect(try await client.finish(call).status == 0) }
  #expect(verifier.asked.count == 1)
  await world.end()
}

@Test func `a stream's requests are let in by the credential of the stream`() async throws {
  let verifier = Verifier()
  let world = try world(verifier)
  let client = try world.connect()
  let messages = [EndpointWorld.message(), EndpointWorld.message(version: "green")]
  let reply = try await client.call(service + "ModelStreamInfer", messages, good)
  #expect(reply.status == 0 && reply.messages.count == 2)
  let refused = try await client.call(service + "ModelStreamInfer", messages, bad + [("triton_grpc_error", "true")])
  #expect(refused.status == GRPCStatus.Code.permissionDenied.rawValue)
  let none = try await client.call(service + "ModelStreamInfer", messages, [("triton_grpc_error", "true")])
  #expect(none.status == GRPCStatus.Code.unauthenticated.rawValue)
  await world.end()
}

@Test func `a stream that ends while its credential is verified leaves nothing behind`() async throws {
  let verifier = Verifier()
  let world = try world(verifier)
  let client = try world.connect()
  verifier.close()
  let call = try await client.open(service + "ModelStreamInfer", good)
  try await client.send(framed(EndpointWorld.message()), on: call)
  #expect(try await client.call(service + "ServerLive").status == 0)
  try await client.reset(call)
  #expect(try await client.call(service + "ServerLive").status == 0)
  verifier.open()
  #expect(try await client.infer(good).status == 0)
  await world.end()
}

@Test func `only who may score sees an endpoint's metadata, and a stranger's answer is the same for one that is not there`() async throws {
  let verifier = Verifier()
  let world = try world(verifier)
  let client = try world.connect()
  for name in ["m", "stranger"] {
    for fields in [[], bad] {
      for (method, message) in [
        ("ModelReady", ModelReadyRequest(name: name).encoded()), ("ModelMetadata", ModelMetadataRequest(name: name).encoded()),
        ("ModelConfig", ModelConfigRequest(name: name).encoded()),
        ("ModelStatistics", ModelStatisticsRequest(name: name).encoded()), ("ModelInfer", EndpointWorld.message(name)),
      ] {
        let reply = try await client.call(service + method, [message], fields)
        let expected: GRPCStatus.Code = fields.isEmpty ? .unauthenticated : .permissionDenied
        #expect(reply.status == expected.rawValue, "\(method) of \(name)")
      }
    }
  }
  let everywhere = try await client.infer(good, model: "stranger")
  #expect(everywhere.status == GRPCStatus.Code.notFound.rawValue)
  #expect(verifier.asked.contains(": Bearer ey.good"))
  await world.end()
}
