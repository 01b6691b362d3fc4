import Arrivals
import Inference
import LoadTesting
import Testing
import Wire

@Test func `a weighted choice draws in proportion to the weights`() {
  let choice = WeightedChoice([1, 0, 3, 6])
  var random = SeededRandom(seed: 5)
  var counts = [0, 0, 0, 0]
  for _ in 0..<100_000 { counts[choice.draw(&random)] += 1 }
  #expect(counts[1] == 0)
  for (index, share) in [0.1, 0, 0.3, 0.6].enumerated() {
    #expect(abs(Double(counts[index]) / 100_000 - share) < 0.01)
  }
}

@Test func `a request is encoded with its model, priority and tensors`() throws {
  let tensor = LoadTensor(name: "x", datatype: .int32, shape: [1, 2], bytes: [1, 0, 0, 0, 2, 0, 0, 0])
  let bytes = InferMessage.encode(model: "m", version: "3", priority: 2, inputs: [tensor])
  let request = try ModelInferRequest(decoding: bytes)
  #expect(request.modelName == "m" && request.modelVersion == "3" && request.parameters == ["priority": .uint64(2)])
  #expect(request.inputs.map(\.bytes) == [tensor.bytes] && request.inputs[0].shape == [1, 2])
}

@Test(arguments: Datatype.allCases)
func `generated elements fill their shape, and the seed decides them`(datatype: Datatype) {
  func make(_ values: GeneratedTensor.Values, _ seed: UInt64) -> LoadTensor {
    var random = SeededRandom(seed: seed)
    return GeneratedTensor.make(name: "x", datatype: datatype, shape: [2, 50], values, &random)
  }
  let size = datatype.byteSize ?? 20
  #expect(make(.random, 1).bytes.count == 100 * size)
  #expect(make(.random, 1) == make(.random, 1))
  #expect(make(.random, 1) != make(.random, 2))
  #expect(make(.zeros, 1).bytes == Array(repeating: 0, count: 100 * (datatype.byteSize ?? 4)))
}

@Test func `the client's limits are told from the server's`() {
  func result(busy: Double?, lag: UInt64, waited: UInt64) -> StepResult {
    var tally = Tally(targetCount: 1)
    tally.sent = 100
    tally.waitedForStream = waited
    for _ in 0..<100 {
      tally.sendLag.record(lag)
      tally.latency.record(1_000_000 + lag)
    }
    return StepResult(
      step: .rate(10, .constant), end: .duration, isStable: true, seconds: 1, total: tally, windows: [],
      busiestThread: busy, clientCPUs: 1, failures: [], mismatches: [])
  }
  #expect(ClientLimits.warnings(result(busy: 0.5, lag: 100_000, waited: 0)).isEmpty)
  #expect(ClientLimits.warnings(result(busy: 0.95, lag: 0, waited: 0))[0].contains("95 % busy"))
  #expect(ClientLimits.warnings(result(busy: 0.1, lag: 20_000_000, waited: 50))[0].contains("free stream"))
  #expect(ClientLimits.warnings(result(busy: nil, lag: 20_000_000, waited: 0))[0].contains("--precise"))
  #expect(ClientLimits.limited(result(busy: 0.95, lag: 0, waited: 0)))
  #expect(!ClientLimits.limited(result(busy: 0.1, lag: 20_000_000, waited: 50)))
}

@Test func `another process is watched by its number`() throws {
  #expect(throws: LoadError("there is no process 0")) { try WatchedProcess(pid: 0) }
  #expect(ProcessUsage.ownNanoseconds() >= ProcessUsage.threadNanoseconds())
}
