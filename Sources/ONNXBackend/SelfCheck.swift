internal import CONNXRuntime

/// A model of one node, y = x + x for two FP32, as ONNX's protobuf. Source: onnx.proto.
private let doubling: [UInt8] = [
  0x08, 7,  // ModelProto.ir_version
  0x3a, 53,  // .graph
  0x0a, 14, 0x0a, 1, UInt8(ascii: "x"), 0x0a, 1, UInt8(ascii: "x"), 0x12, 1, UInt8(ascii: "y"),  // NodeProto: x, x to y
  0x22, 3, UInt8(ascii: "A"), UInt8(ascii: "d"), UInt8(ascii: "d"),  // .op_type
  0x12, 1, UInt8(ascii: "g"),  // GraphProto.name
  0x5a, 15, 0x0a, 1, UInt8(ascii: "x"), 0x12, 10, 0x0a, 8, 0x08, 1, 0x12, 4, 0x0a, 2, 0x08, 2,  // .input: FP32 [2]
  0x62, 15, 0x0a, 1, UInt8(ascii: "y"), 0x12, 10, 0x0a, 8, 0x08, 1, 0x12, 4, 0x0a, 2, 0x08, 2,  // .output: FP32 [2]
  0x42, 4, 0x0a, 0, 0x10, 13,  // .opset_import: the standard set, version 13
]

extension Runtime {
  /// Runs a model made here and compares its answer: that finds a wrong slot before a user's model does.
  func checkItself() throws(OrtError) {
    let options = try api.create { api.CreateSessionOptions($0) }
    defer { api.ReleaseSessionOptions(options) }
    try api.check(api.SetIntraOpNumThreads(options, 1))
    let session = try api.create {
      api.CreateSessionFromArray(environment, doubling, doubling.count, options, $0)
    }
    defer { api.ReleaseSession(session) }

    let numbers = UnsafeMutablePointer<Float>.allocate(capacity: 2)
    defer { numbers.deallocate() }
    (numbers[0], numbers[1]) = (1.5, -2)
    let input = try api.create {
      api.CreateTensorWithDataAsOrtValue(cpuMemory, numbers, 8, [2], 1, OrtElementType.float.rawValue, $0)
    }
    defer { api.ReleaseValue(input) }

    let output = try api.create { output in
      "x".withCString { x in "y".withCString { y in api.Run(session, nil, [x], [input], 1, [y], 1, output) } }
    }
    defer { api.ReleaseValue(output) }
    var answer: UnsafeMutableRawPointer?
    try api.check(api.GetTensorMutableData(output, &answer))
    guard let values = answer?.assumingMemoryBound(to: Float.self), values[0] == 3, values[1] == -4 else {
      throw OrtError(code: 1, message: "a small model gave a wrong answer")
    }
  }
}
