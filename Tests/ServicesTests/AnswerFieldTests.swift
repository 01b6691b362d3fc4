import Access
import GRPC
import Inference
import RawClient
import ScriptedBackend
import Serving
import Testing
import Wire

@Test func `an answer says which deployment gave it, and so does a failure`() async throws {
  let world = try EndpointWorld()
  let client = try world.connect()
  for (fields, version, name, values): ([(String, String)], String, String, [Float]) in [
    ([], "", "blue", [2, 3]), ([], "green", "green", [3, 4]),
    ([("azureml-model-deployment", "green")], "", "green", [3, 4]),
    ([("azureml-model-deployment", "green")], "green", "green", [3, 4]),
  ] {
    let reply = try await client.infer(fields, version: version)
    #expect(reply.status == 0)
    #expect(reply.headers["azureml-model-deployment"] == name)
    #expect(try reply.values() == values)
    #expect(try ModelInferResponse(decoding: reply.messages[0]).modelVersion == name)
  }
  let wrong = try await client.infer([("azureml-model-deployment", "red")])
  #expect(wrong.status == GRPCStatus.Code.notFound.rawValue)
  #expect(wrong.message == "deployment 'red' of endpoint 'm' is not found")
  let both = try await client.infer([("azureml-model-deployment", "green")], version: "blue")
  #expect(both.status == GRPCStatus.Code.invalidArgument.rawValue)
  await world.end()
}

@Test func `a caller's numbers come back, without what does not belong in them`() async throws {
  let world = try EndpointWorld()
  let client = try world.connect()
  let long = String(repeating: "0123456789", count: 6)
  for (given, echoed) in [("abc-DEF_9", "abc-DEF_9"), ("a b;c\u{e9}", "abc"), (long, String(long.prefix(40)))] {
    let reply = try await client.infer([("x-ms-client-request-id", given), ("x-request-id", given)])
    #expect(reply.headers["x-ms-client-request-id"] == echoed)
    #expect(reply.headers["x-request-id"] == echoed)
    #expect(reply.headers["azureml-model-deployment"] == "blue")
  }
  let failed = try await client.infer([("x-request-id", "r1")], model: "stranger")
  #expect(failed.status == GRPCStatus.Code.notFound.rawValue && failed.headers["x-request-id"] == "r1")
  #expect(try await client.infer([("x-request-id", "!!!")]).headers["x-request-id"] == nil)
  #expect(try await client.infer().headers["x-request-id"] == nil)
  await world.end()
}

/// A recycled call must not answer with the fields of the one before.
@Test func `fields of one call are not in the next`() async throws {
  let world = try EndpointWorld()
  let client = try world.connect()
  _ = try await client.infer([("x-request-id", "r1"), ("azureml-model-deployment", "green"), ("apus-routing-key", "k")])
  let ready = try await client.call("/inference.GRPCInferenceService/ServerLive")
  #expect(ready.status == 0)
  #expect(ready.headers["x-request-id"] == nil && ready.headers["azureml-model-deployment"] == nil)
  #expect(try await client.infer().headers["azureml-model-deployment"] == "blue")
  await world.end()
}

@Test func `a refusal that is worth another try says when, in the status and for gRPC's own retries`() async throws {
  let limiter = RequestLimiter(RequestLimits(requestsPerSecond: 1, burst: 1), of: "endpoint 'm'")
  let world = try EndpointWorld(
    EndpointPolicy(name: "m", access: .open(endpoint: 1, generation: 1), limiter: limiter))
  let client = try world.connect()
  #expect(try await client.infer().status == 0)
  let refused = try await client.infer()
  #expect(refused.status == GRPCStatus.Code.resourceExhausted.rawValue)
  #expect(refused.message == "rate-limiting: endpoint 'm' takes 1 requests a second")
  let milliseconds = try #require(refused.headers["grpc-retry-pushback-ms"].flatMap { Int($0) })
  #expect((1...1000).contains(milliseconds))
  let text = try #require(refused.headers["grpc-status-details-bin"])
  let details = try #require(base64Decoded(text.utf8))
  let status = try ProtobufFields(details)
  #expect(status.varint(1) == UInt64(GRPCStatus.Code.resourceExhausted.rawValue))
  #expect(status.text(2) == refused.message)
  let detail = try ProtobufFields(try #require(status.bytes(3)))
  #expect(detail.text(1) == "type.googleapis.com/google.rpc.RetryInfo")
  let advice = try ProtobufFields(try #require(detail.bytes(2)))
  let delay = try ProtobufFields(try #require(advice.bytes(1)))
  let nanoseconds = (delay.varint(1) ?? 0) * 1_000_000_000 + (delay.varint(2) ?? 0)
  #expect((nanoseconds + 999_999) / 1_000_000 == UInt64(milliseconds))
  await world.end()
}

@Test func `an endpoint's time-out ends a call that its model holds up`() async throws {
  let world = try EndpointWorld(
    EndpointPolicy(name: "m", access: .open(endpoint: 1, generation: 1), requestTimeout: .milliseconds(50)),
    script: "hold-run gate")
  let client = try world.connect()
  // The model never answers on its own; the call ends all the same.
  #expect(try await client.infer().status == GRPCStatus.Code.deadlineExceeded.rawValue)
  world.gates.open("gate")
  #expect(try await client.infer().status == 0)
  await world.end()
}

/// Fields of a protobuf message, read by the wire format's rules alone (protobuf, "Encoding").
private struct ProtobufFields {
  private var varints: [UInt64: UInt64] = [:]
  private var runs: [UInt64: [UInt8]] = [:]

  struct Malformed: Error {}

  init(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    func varint() throws -> UInt64 {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      while let byte = rest.popFirst() {
        value |= UInt64(byte & 0x7f) << shift
        if byte < 0x80 { return value }
        shift += 7
      }
      throw Malformed()
    }
    while !rest.isEmpty {
      let tag = try varint()
      switch tag & 7 {
      case 0: varints[tag >> 3] = try varint()
      case 2:
        let count = Int(try varint())
        guard count <= rest.count else { throw Malformed() }
        runs[tag >> 3] = Array(rest.prefix(count))
        rest = rest.dropFirst(count)
      default: throw Malformed()
      }
    }
  }

  func varint(_ number: UInt64) -> UInt64? { varints[number] }
  func bytes(_ number: UInt64) -> [UInt8]? { runs[number] }
  func text(_ number: UInt64) -> String? { runs[number].map { String(decoding: $0, as: UTF8.self) } }
}

@Test func `an endpoint's metadata lists its deployments by name`() async throws {
  let world = try EndpointWorld()
  let client = try world.connect()
  let service = "/inference.GRPCInferenceService/"
  let reply = try await client.call(service + "ModelMetadata", [ModelMetadataRequest(name: "m").encoded()])
  let metadata = try ModelMetadataResponse(decoding: try #require(reply.messages.first))
  #expect(metadata.name == "m" && metadata.versions == ["blue", "green"])
  #expect(try await client.call(service + "ModelReady", [ModelReadyRequest(name: "m", version: "green").encoded()]).status == 0)
  let red = try await client.call(service + "ModelReady", [ModelReadyRequest(name: "m", version: "red").encoded()])
  #expect(red.status == GRPCStatus.Code.notFound.rawValue)
  await world.end()
}
