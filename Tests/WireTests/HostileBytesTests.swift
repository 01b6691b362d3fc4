import Glibc
import Inference
import Testing
import Wire

/// What protobuf-c would let through, or refuse without a reason.
struct HostileBytesTests {
  @Test(arguments: [
    (field(1, [0xC3, 0x28]), "model_name is not valid UTF-8"),
    (field(1, [0x6D, 0]), "model_name contains a NUL character"),
    (field(1, Array("12345678".utf8) + [0] + Array("evil".utf8)), "model_name contains a NUL character"),
    (field(2, [0xFF]), "model_version is not valid UTF-8"),
    (field(3, [0xED, 0xA0, 0x80]), "id is not valid UTF-8"),
    (input("a", "FP32", [1]) + field(5, field(1, [0xC0, 0x80])), "inputs[1].name is not valid UTF-8"),
    (field(6, field(1, [0xF5, 0x80, 0x80, 0x80])), "outputs[0].name is not valid UTF-8"),
    (entry(4, "a", nil) + field(4, field(1, [0x80])), "parameters[1].key is not valid UTF-8"),
    (entry(4, "a", field(3, [0xE0, 0x80, 0x80])), "parameters[0].value.string_param is not valid UTF-8"),
  ] as [([UInt8], String)])
  func `a string that is not one is refused with its path`(bytes: [UInt8], message: String) {
    #expect(refusal(of: bytes) == .invalidArgument(message))
  }

  @Test(arguments: ["naïve", "模型", "🦜 model", "\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}", "\u{1}\u{7F}"])
  func `any UTF-8 without NUL is a name`(name: String) throws {
    let call = Call()
    try call.decode(field(1, name))
    #expect(text(call.request.pointee.modelName) == name)
  }

  @Test(arguments: [
    ([0x0A, 5, 0x61], "model_name is cut short"),
    ([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1], "model_name is cut short"),
    ([0x3A, 0x80], "raw_input_contents[0] is cut short"),
    ([0x3A, 9, 1], "raw_input_contents[0] is cut short"),
    ([0x2A, 2, 0x0A, 9], "inputs[0].name is cut short"),
    ([0x00], "ModelInferRequest has a malformed tag"),
    ([0x07], "ModelInferRequest has a malformed tag"),
    ([0x8A, 0x80, 0x80, 0x80, 0x80, 0x00, 0x01, 0x61], "ModelInferRequest has a malformed tag"),
    ([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], "ModelInferRequest has a malformed tag"),
    ([0x0B], "model_name has wire type 3; expected 2"),
    ([0x08, 0x01], "model_name has wire type 0; expected 2"),
    ([0x38, 0x01], "raw_input_contents[0] has wire type 0; expected 2"),
    ([0x9B, 0x06, 0x9C, 0x06], "field 99 is cut short, or holds a group"),
    (field(5, field(3, [0x80])), "inputs[0].shape[0] has a malformed packed number"),
    (
      field(5, contents(field(6, [0, 0, 0]))),
      "inputs[0].contents.fp32_contents[0] has 3 packed bytes; expected a multiple of 4"
    ),
    (
      field(5, contents(field(7, [0]))),
      "inputs[0].contents.fp64_contents[0] has 1 packed bytes; expected a multiple of 8"
    ),
    (
      field(5, contents(field(1, [2]))),
      "inputs[0].contents.bool_contents[0] has a packed value that is neither true nor false"
    ),
  ] as [([UInt8], String)])
  func `garbage is refused with the place where it begins`(bytes: [UInt8], message: String) {
    #expect(refusal(of: bytes) == .invalidArgument(message))
  }

  /// Each is far smaller than what protobuf-c would make of it.
  @Test(arguments: [
    field(5, [UInt8]()), entry(4, "", nil), field(99, ""), field(99, 1),
    field(5, field(3, 1)), field(5, contents(field(8, ""))),
  ])
  func `a message that needs many times its size is refused before memory is taken`(element: [UInt8]) throws {
    let call = Call(limitBytes: 1 << 20)
    let bytes = Array(repeating: element, count: (1 << 20) / element.count).flatMap { $0 }
    let error = try #require(call.refusal(of: bytes))
    #expect(error.code == .resourceExhausted)
    #expect(error.message.contains("the limit of 1048576 bytes for one call"))
    #expect(call.arena.pointee.usedBytes == 0)
  }

  @Test func `an arena that is too small is named, wherever it runs out`() throws {
    let bytes =
      field(1, "model") + field(3, "id") + entry(4, "k", field(3, "v")) + raw([1, 2])
      + input("x", "FP16", [1]) + field(6, field(1, "o"))
    for limit in stride(from: 0, through: 1 << 20, by: 16) {
      let call = Call(limitBytes: limit)
      guard let error = call.refusal(of: bytes) else {
        #expect(limit > 500, "so little can't be enough")
        return
      }
      try #require(error.code == .resourceExhausted)
      #expect(call.arena.pointee.usedBytes <= limit)
    }
    Issue.record("never enough")
  }

  /// Every message lies right in front of a page that can't be read, so a read past its end is a crash.
  @Test func `tens of thousands of broken messages are refused or decoded, within their memory`() throws {
    let valid: [[UInt8]] = [
      field(1, "resnet") + field(3, "r-1") + entry(4, "priority", field(5, 2)) + input("image", "FP32", [1, 2])
        + input("text", "BYTES", [1]) + field(6, field(1, "o") + entry(2, "classification", field(2, 3)))
        + raw(hex("0000803f00000040")) + raw(hex("020000006869")),
      field(1, "naïve") + input("a", "INT8", [3], contents(field(2, [1, 2, 3])))
        + input("b", "BYTES", [2], contents(field(8, "x") + field(8, "yz")))
        + input("c", "BOOL", [1], contents(field(1, [1]))) + entry(4, "k", field(4, 0)),
    ]
    let memory = GuardedMemory(byteCount: 4096)
    let limit = 64 << 10
    let call = Call(limitBytes: limit)
    var random = SeededGenerator(state: 20_240_607)
    var accepted = 0
    for round in 0..<40_000 {
      var bytes = valid[round % valid.count]
      mutate(&bytes, with: &random)
      call.arena.pointee.reset()
      do {
        try decodeModelInferRequest(message: memory.place(bytes), into: call.request)
        accepted += 1
        for tensor in call.request.pointee.inputs { _ = tensor.bytes.reduce(0, &+) }
      } catch {
        #expect(!error.message.isEmpty)
      }
      #expect(call.arena.pointee.usedBytes <= limit)
      // The everyday decoder takes everything that the wire allows, and nothing else.
      if let message = try? ModelInferRequest(decoding: memory.place(bytes)) {
        let again = try ModelInferRequest(decoding: message.encoded())
        #expect(again == message)
      }
    }
    #expect((1000..<39_000).contains(accepted), "mutations should leave some messages whole and break others")
  }

  private func mutate(_ bytes: inout [UInt8], with random: inout SeededGenerator) {
    for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
      let index = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<5, using: &random) {
      case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 1: bytes[index] = .random(in: 0...255, using: &random)
      case 2: bytes.removeSubrange(index...)
      case 3: bytes.insert(.random(in: 0...255, using: &random), at: index)
      default:
        let end = min(bytes.count, index + 8)
        bytes.insert(contentsOf: bytes[index..<end], at: Int.random(in: 0...bytes.count, using: &random))
      }
    }
  }
}

/// Memory with an unreadable page behind it.
private struct GuardedMemory {
  private let start: UnsafeMutableRawPointer
  private let byteCount: Int

  init(byteCount: Int) {
    self.byteCount = byteCount
    start = mmap(nil, byteCount + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    mprotect(start + byteCount, 4096, PROT_NONE)
  }

  /// Puts the bytes at the very end.
  func place(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
    let place = UnsafeMutableRawBufferPointer(start: start + byteCount - bytes.count, count: bytes.count)
    place.copyBytes(from: bytes)
    return UnsafeRawBufferPointer(place)
  }
}
