import Testing
import Wire

struct FileDescriptorTests {
  private let descriptors = FileDescriptors.all

  @Test func `every service is listed by its full name`() {
    #expect(
      descriptors.services == [
        "apus.control.v1.ControlService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
        "grpc.testing.TestService", "grpc.testing.UnimplementedService", "inference.GRPCInferenceService",
      ])
  }

  @Test(arguments: [
    ("inference.GRPCInferenceService", "inference.proto"),
    ("inference.GRPCInferenceService.ModelInfer", "inference.proto"),
    ("inference.ModelInferRequest", "inference.proto"),
    ("inference.ModelInferRequest.InferInputTensor", "inference.proto"),
    ("inference.DataType", "model_config.proto"),
    ("inference.ModelInstanceGroup.Kind", "model_config.proto"),
    ("inference.ModelOptimizationPolicy.Cuda.GraphSpec.LowerBound", "model_config.proto"),
    ("grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"),
    ("grpc.testing.PayloadType", "grpc/testing/messages.proto"),
  ])
  func `a symbol leads to its file`(symbol: String, file: String) {
    #expect(descriptors.file(containing: symbol)?.name == file)
  }

  @Test func `what is not there is not found`() {
    #expect(descriptors.file(named: "other.proto") == nil)
    #expect(descriptors.file(containing: "inference.Nothing") == nil)
    #expect(descriptors.file(containing: "") == nil)
  }

  @Test func `a file comes with everything it imports, itself first`() throws {
    let test = try #require(descriptors.file(named: "grpc/testing/test.proto"))
    #expect(
      descriptors.withDependencies(test).map(\.name) == [
        "grpc/testing/test.proto", "grpc/testing/empty.proto", "grpc/testing/messages.proto",
      ])
    for file in descriptors.files {
      #expect(file.dependencies.allSatisfy { descriptors.file(named: $0) != nil })
    }
  }

  /// Decoders recurse as deep as the schema allows, so the schema must have an end.
  @Test func `no message contains itself`() {
    // Message types by full name, and those that they refer to. DescriptorProto: name 1, field 2, nested_type 3;
    // FieldDescriptorProto: type_name 6.
    var uses: [String: [String]] = [:]
    func collect(_ message: [UInt8], in scope: String) {
      let name = "\(scope).\(String(decoding: payloads(message, 1)[0], as: UTF8.self))"
      uses[name] = payloads(message, 2).flatMap { payloads($0, 6) }.map { String(decoding: $0, as: UTF8.self) }
      for nested in payloads(message, 3) { collect(nested, in: name) }
    }
    for file in descriptors.files {
      let package = String(decoding: payloads(file.bytes, 2)[0], as: UTF8.self)
      for message in payloads(file.bytes, 4) { collect(message, in: ".\(package)") }
    }
    func depth(of name: String, within path: [String]) -> Int {
      guard !path.contains(name) else {
        Issue.record("\(name) contains itself: \(path)")
        return 0
      }
      return 1 + (uses[name] ?? []).reduce(0) { max($0, depth(of: $1, within: path + [name])) }
    }
    #expect(uses.count > 80)
    for name in uses.keys { #expect(depth(of: name, within: []) <= 9) }
  }

  /// The payloads of one length-delimited field of a well-formed message.
  private func payloads(_ message: [UInt8], _ number: UInt64) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var at = 0
    func varint() -> UInt64 {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      while true {
        let byte = message[at]
        at += 1
        value |= UInt64(byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 { return value }
      }
    }
    while at < message.count {
      let tag = varint()
      if tag & 7 == 0 {
        _ = varint()
        continue
      }
      let length = Int(varint())
      if tag >> 3 == number { result.append(Array(message[at..<at + length])) }
      at += length
    }
    return result
  }
}
