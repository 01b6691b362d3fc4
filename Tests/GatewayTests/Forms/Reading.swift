import Gateway
import Glibc
import Inference

/// A request that nobody will send: its mailbox wakes no one.
func makeRequest() -> GatewayRequest { GatewayRequest(mailbox: ReplyMailbox(wakeDescriptor: -1)) }

/// Reads a body of the Open Inference Protocol.
func read(_ json: String, binary: [UInt8]? = nil) throws -> GatewayRequest {
  let request = makeRequest()
  let body = ReceivedBody(Array(json.utf8) + (binary ?? []))
  _ = try OpenInferenceReader.read(body, jsonByteCount: binary == nil ? nil : json.utf8.count, into: request)
  return request
}

/// Reads one tensor of the protocol from the text of its data.
func elements<Element: BitwiseCopyable>(
  _ data: String, _ datatype: String, count: Int, as _: Element.Type = Element.self
) throws -> [Element] {
  let request = try read(
    #"{"inputs":[{"name":"x","shape":[\#(count)],"datatype":"\#(datatype)","data":\#(data)}]}"#)
  let bytes = request.pointer.pointee.inputs[0].bytes
  return withExtendedLifetime(request) {
    (0..<bytes.count / MemoryLayout<Element>.size).map {
      bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.size, as: Element.self)
    }
  }
}

/// The message of the error that `body` throws.
func message(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch let error as InferenceError {
    return error.message
  } catch {
    return "\(error)"
  }
}

extension GatewayRequest {
  func shape(_ index: Int = 0) -> [Int64] { Array(pointer.pointee.inputs[index].shape) }

  func name(_ index: Int = 0) -> String { String(decoding: pointer.pointee.inputs[index].name, as: UTF8.self) }

  func values<Element: BitwiseCopyable>(_ index: Int = 0, as _: Element.Type = Element.self) -> [Element] {
    let bytes = pointer.pointee.inputs[index].bytes
    return (0..<bytes.count / MemoryLayout<Element>.size).map {
      bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.size, as: Element.self)
    }
  }

  func strings(_ index: Int = 0) -> [[UInt8]] {
    let bytes = pointer.pointee.inputs[index].bytes
    var strings: [[UInt8]] = []
    var offset = 0
    while offset < bytes.count {
      let length = Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      strings.append(Array(bytes[offset + 4..<offset + 4 + length]))
      offset += 4 + length
    }
    return strings
  }

  /// Answers with its own inputs under other names.
  func echo(version: String = "1") throws {
    pointer.pointee.outputs = try copyValues(Array(pointer.pointee.inputs))
    pointer.pointee.modelName = try copy("echo")
    pointer.pointee.answeredVersion = try copy(version)
  }
}

/// SplitMix64: the same numbers in every run.
struct SeededNumbers: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
