import Inference
import Testing
import Wire

struct MessageTests {
  /// The message survives the wire.
  private func expectRoundTrip<M: WireMessage & Hashable>(_ message: M, _ location: SourceLocation = #_sourceLocation) {
    do {
      let again = try M(decoding: message.encoded())
      #expect(again == message, sourceLocation: location)
    } catch {
      Issue.record(error, sourceLocation: location)
    }
  }

  @Test func `server messages survive the wire`() {
    expectRoundTrip(ServerLiveRequest())
    expectRoundTrip(ServerLiveResponse(live: true))
    expectRoundTrip(ServerReadyRequest())
    expectRoundTrip(ServerReadyResponse(ready: true))
    expectRoundTrip(ServerMetadataRequest())
    expectRoundTrip(ServerMetadataResponse(name: "apus", version: "1.2", extensions: ["statistics", "naïve"]))
  }

  @Test func `model messages survive the wire`() {
    expectRoundTrip(ModelReadyRequest(name: "m", version: "1"))
    expectRoundTrip(ModelReadyResponse(ready: true))
    expectRoundTrip(ModelMetadataRequest(name: "m"))
    expectRoundTrip(
      ModelMetadataResponse(
        name: "m", versions: ["1", "2"], platform: "onnxruntime_onnx",
        inputs: [TensorMetadata(name: "x", datatype: .fp32, shape: [-1, 3])],
        outputs: [TensorMetadata(name: "y", datatype: .bytes, shape: [])]))
    expectRoundTrip(ModelConfigRequest(name: "m", version: "1"))
  }

  @Test func `shared memory messages survive the wire`() throws {
    typealias Region = SystemSharedMemoryStatusResponse.Region
    expectRoundTrip(SystemSharedMemoryStatusRequest(name: "r"))
    let large = Region(name: "r", key: "/k", offset: 1 << 40, byteSize: .max)
    expectRoundTrip(
      SystemSharedMemoryStatusResponse(regions: ["r": large, "é": Region(name: "é", key: "k", offset: 0, byteSize: 1)]))
    expectRoundTrip(SystemSharedMemoryRegisterRequest(name: "r", key: "/k", offset: 4096, byteSize: 8))
    expectRoundTrip(SystemSharedMemoryRegisterResponse())
    expectRoundTrip(SystemSharedMemoryUnregisterRequest(name: "r"))
    expectRoundTrip(SystemSharedMemoryUnregisterResponse())
    let empty = try SystemSharedMemoryStatusResponse(decoding: entry(1, "r", nil))
    #expect(empty.regions == ["r": Region(name: "", key: "", offset: 0, byteSize: 0)])
  }

  @Test func `inference messages survive the wire`() {
    var tensor = InferTensor(name: "x", datatype: .fp16, shape: [1, 2], bytes: [1, 2, 3, 4])
    tensor.parameters = ["p": .string("q")]
    var output = InferRequestedOutput(name: "y")
    output.parameters = ["classification": .int64(3)]
    var request = ModelInferRequest(modelName: "m")
    request.modelVersion = "1"
    request.id = "i"
    request.parameters = [
      "a": .bool(false), "b": .int64(-1), "c": .uint64(.max), "d": .double(0.5), "e": .string("é"),
    ]
    request.inputs = [tensor, InferTensor(name: "z", datatype: .uint8, shape: [0], bytes: [])]
    request.outputs = [output]
    expectRoundTrip(request)

    var response = ModelInferResponse(modelName: "m")
    response.parameters = request.parameters
    response.outputs = request.inputs
    expectRoundTrip(response)
    expectRoundTrip(ModelStreamInferResponse(response: response))
    expectRoundTrip(ModelStreamInferResponse(errorMessage: "no", response: nil))
  }

  @Test func `what a client encodes, the server decodes`() throws {
    var request = ModelInferRequest(modelName: "m")
    request.inputs = [InferTensor(name: "x", datatype: .uint8, shape: [3], bytes: [1, 2, 3])]
    let call = Call()
    try call.decode(request.encoded())
    #expect(text(call.request.pointee.modelName) == "m")
    #expect(Array(call.request.pointee.inputs[0].bytes) == [1, 2, 3])
  }

  @Test func `statistics survive the wire`() {
    var inference = InferStatistics()
    inference.success = StatisticDuration(count: 5, nanoseconds: 500)
    inference.cacheMiss = StatisticDuration(count: 1, nanoseconds: 2)
    var batch = InferBatchStatistics(batchSize: 4)
    batch.computeInfer = StatisticDuration(count: 1, nanoseconds: 9)
    var response = InferResponseStatistics()
    response.cancel = StatisticDuration(count: 1, nanoseconds: 3)
    var model = ModelStatistics(name: "m", version: "1")
    model.lastInference = 17
    model.inferenceCount = 5
    model.executionCount = 2
    model.inferenceStatistics = inference
    model.batchStatistics = [batch]
    model.memoryUsage = [.init(kind: "GPU", device: 1, byteCount: 99)]
    model.responseStatistics = ["0": response]
    expectRoundTrip(ModelStatisticsRequest(name: "m", version: "1"))
    expectRoundTrip(ModelStatisticsResponse(models: [model, ModelStatistics(name: "n", version: "")]))
  }

  @Test func `statistics from another implementation are read`() throws {
    let bytes = hex(
      "0a330a016d12013118112005280232070a05080510f4033a0808041a040801100942070a0343505518634a090a013012041a020805")
    let model = try ModelStatisticsResponse(decoding: bytes).models[0]
    #expect(model.name == "m")
    #expect(model.inferenceStatistics.success == StatisticDuration(count: 5, nanoseconds: 500))
    #expect(model.batchStatistics.map(\.batchSize) == [4])
    #expect(model.memoryUsage == [.init(kind: "CPU", device: 0, byteCount: 99)])
    #expect(model.responseStatistics["0"]?.success.count == 5)
  }

  @Test func `repository messages survive the wire`() {
    expectRoundTrip(RepositoryIndexRequest(repositoryName: "r", ready: true))
    expectRoundTrip(RepositoryIndexResponse(models: [.init(name: "m", version: "1", state: "READY", reason: "")]))
    var load = RepositoryModelLoadRequest(modelName: "m")
    load.repositoryName = "r"
    load.parameters = [
      "config": .string("{}"), "file:1/model.onnx": .bytes([0, 1, 255]), "a": .bool(true), "b": .int64(-7),
    ]
    expectRoundTrip(load)
    expectRoundTrip(RepositoryModelLoadResponse())
    var unload = RepositoryModelUnloadRequest(modelName: "m")
    unload.parameters = ["unload_dependents": .bool(true)]
    expectRoundTrip(unload)
    expectRoundTrip(RepositoryModelUnloadResponse())
  }

  @Test func `log messages survive the wire`() {
    let settings: [String: LogSettingValue] = [
      "log_info": .bool(true), "log_error": .bool(false), "log_verbose_level": .uint32(.max), "log_file": .string(""),
      "log_format": .string("ISO8601"), "": .unset,
    ]
    expectRoundTrip(LogSettingsRequest())
    expectRoundTrip(LogSettingsRequest(settings: settings))
    expectRoundTrip(LogSettingsResponse(settings: settings))
  }

  /// The bytes are what protoc makes of the same text.
  @Test func `log settings from another implementation are read`() throws {
    let bytes = hex("0a0e0a086c6f675f696e666f12020800" + "0a170a116c6f675f766572626f73655f6c6576656c12021002")
    #expect(
      try LogSettingsRequest(decoding: bytes).settings == ["log_info": .bool(false), "log_verbose_level": .uint32(2)])
  }

  @Test func `health messages survive the wire`() {
    expectRoundTrip(HealthCheckRequest(service: "s"))
    for status in [HealthCheckResponse.ServingStatus.unknown, .serving, .notServing, .serviceUnknown] {
      expectRoundTrip(HealthCheckResponse(status: status))
    }
    expectRoundTrip(HealthListRequest())
    expectRoundTrip(HealthListResponse(statuses: ["": .init(status: .serving), "m": .init(status: .notServing)]))
  }

  @Test func `reflection messages survive the wire`() {
    let questions: [ServerReflectionRequest.Question?] = [
      .fileByFilename("f"), .fileContainingSymbol("s"), .fileContainingExtension(type: "t", number: 3),
      .allExtensionNumbers(type: "t"), .listServices(""), nil,
    ]
    for question in questions { expectRoundTrip(ServerReflectionRequest(host: "h", question: question)) }
    let answers: [ServerReflectionResponse.Answer?] = [
      .files([[1, 2], []]), .extensionNumbers(type: "t", [1, 2]), .services(["a", "b"]),
      .error(code: 5, message: "none"), nil,
    ]
    for answer in answers {
      let request = ServerReflectionRequest(question: .listServices("*"))
      expectRoundTrip(ServerReflectionResponse(validHost: "h", originalRequest: request, answer: answer))
    }
  }

  @Test func `interoperability messages survive the wire`() {
    expectRoundTrip(Interop.Empty())
    var request = Interop.SimpleRequest()
    expectRoundTrip(request)
    request.responseSize = 314
    request.payload = [0, 1]
    request.responseCompressed = false
    request.expectCompressed = true
    request.responseStatus = .init(code: 2, message: "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")
    request.fillUsername = true
    request.fillOAuthScope = true
    request.fillServerID = true
    expectRoundTrip(request)
    var response = Interop.SimpleResponse(payload: [])
    response.username = "u"
    response.oauthScope = "o"
    response.serverID = "s"
    response.hostname = "h"
    expectRoundTrip(response)
    expectRoundTrip(Interop.StreamingInputCallRequest(payload: [9]))
    expectRoundTrip(Interop.StreamingInputCallResponse(aggregatedPayloadSize: 74922))
    var parameters = Interop.ResponseParameters(size: 5)
    parameters.intervalMicroseconds = 6
    parameters.compressed = true
    var streaming = Interop.StreamingOutputCallRequest()
    streaming.responseParameters = [parameters, .init(size: 0)]
    streaming.payload = [1]
    streaming.responseStatus = .init(code: 3, message: "m")
    expectRoundTrip(streaming)
    expectRoundTrip(Interop.StreamingOutputCallResponse(payload: [1, 2, 3]))
  }

  @Test func `a malformed message is refused with its field's path`() {
    #expect(throws: InferenceError.invalidArgument("name is not valid UTF-8")) {
      _ = try ModelReadyRequest(decoding: field(1, [0xFF]))
    }
    #expect(throws: InferenceError.invalidArgument("inputs[1].datatype is 'FLOAT', which is no datatype")) {
      _ = try ModelMetadataResponse(decoding: field(4, field(2, "FP32")) + field(4, field(2, "FLOAT")))
    }
  }

  @Test func `map entries without a value are empty, and the last of two keys wins`() throws {
    let response = try HealthListResponse(
      decoding: entry(1, "a", nil) + entry(1, "b", field(1, 1)) + entry(1, "b", field(1, 2)))
    #expect(response.statuses == ["a": .init(status: .unknown), "b": .init(status: .notServing)])
    let load = try RepositoryModelLoadRequest(decoding: entry(3, "config", nil))
    #expect(load.parameters.isEmpty)
  }

  @Test func `an everyday message that needs many times its size is refused`() {
    let bytes = Array(repeating: field(1, [UInt8]()), count: 1 << 20).flatMap { $0 }
    #expect { _ = try RepositoryIndexResponse(decoding: bytes) } throws: {
      ($0 as? InferenceError)?.code == .resourceExhausted
    }
  }
}
