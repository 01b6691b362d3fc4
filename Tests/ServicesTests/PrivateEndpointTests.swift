import Access
import GRPC
import Inference
import RawClient
import Serving
import Testing
import Wire

private let service = "/inference.GRPCInferenceService/"

/// Everything that can be asked about an endpoint of a name.
private func questions(_ name: String) -> [(path: String, message: [UInt8])] {
  [
    (service + "ModelInfer", EndpointWorld.message(name)),
    (service + "ModelReady", ModelReadyRequest(name: name).encoded()),
    (service + "ModelMetadata", ModelMetadataRequest(name: name).encoded()),
    (service + "ModelConfig", ModelConfigRequest(name: name).encoded()),
    (service + "ModelStatistics", ModelStatisticsRequest(name: name).encoded()),
    ("/grpc.health.v1.Health/Check", HealthCheckRequest(service: name).encoded()),
  ]
}

private func world(_ access: EndpointAccess, unknown: EndpointAccess?) throws -> EndpointWorld {
  try EndpointWorld(
    EndpointPolicy(name: "m", access: access, isPrivate: true), unknown: unknown,
    verification: { credential, endpoint, access in
      let isGood = String(decoding: credential.authorization, as: UTF8.self).hasSuffix("good")
      return CredentialVerdict(
        isGood ? .allowed(caller: 9) : .refused(.forbidden), expires: .max, generation: access.generation, log: "")
    })
}

@Test(arguments: [false, true])
func `an endpoint without public network access is there for a private address, and for no other`(asksForTokens: Bool) async throws {
  let world =
    asksForTokens
    ? try world(.aadToken(endpoint: 1, generation: 1), unknown: .aadToken(endpoint: 0, generation: 1))
    : try world(.open(endpoint: 1, generation: 1), unknown: nil)
  let outside = try world.connect()
  let inside = try world.connect(isPrivate: true)
  for fields in [[], [("authorization", "Bearer ey.bad")], [("authorization", "Bearer ey.good")]] {
    // A name as long, so that even the sizes of the answers are the same.
    for (hidden, unknown) in zip(questions("m"), questions("x")) {
      let answer = try await outside.call(hidden.path, [hidden.message], fields)
      let expected = try await outside.call(unknown.path, [unknown.message], fields)
      #expect(answer.status == expected.status, "\(hidden.path) \(fields)")
      #expect(answer.message == expected.message.replacing("'x'", with: "'m'"), "\(hidden.path) \(fields)")
      #expect(answer.status != 0)
    }
  }
  let good = asksForTokens ? [("authorization", "Bearer ey.good")] : []
  for (path, message) in questions("m") where !(asksForTokens && path.contains("Health")) {
    #expect(try await inside.call(path, [message], good).status == 0, "\(path)")
  }
  if asksForTokens { #expect(try await inside.infer().status == GRPCStatus.Code.unauthenticated.rawValue) }
  await world.end()
}

@Test func `a stream finds an endpoint without public network access by a private address only`() async throws {
  let world = try world(.open(endpoint: 1, generation: 1), unknown: nil)
  let messages = [EndpointWorld.message(), EndpointWorld.message(version: "green")]
  let fields = [("triton_grpc_error", "true")]
  let reply = try await world.connect(isPrivate: true).call(service + "ModelStreamInfer", messages, fields)
  #expect(reply.status == 0 && reply.messages.count == 2)
  let outside = try await world.connect().call(service + "ModelStreamInfer", messages, fields)
  #expect(outside.status == GRPCStatus.Code.notFound.rawValue)
  await world.end()
}

@Test func `statistics of everything say nothing outside of what is private`() async throws {
  let world = try world(.open(endpoint: 1, generation: 1), unknown: nil)
  let all = ModelStatisticsRequest().encoded()
  let outside = try await world.connect().call(service + "ModelStatistics", [all])
  #expect(outside.messages == [[]])
  let inside = try await world.connect(isPrivate: true).call(service + "ModelStatistics", [all])
  #expect(try #require(inside.messages.first).count > 0)
  await world.end()
}
