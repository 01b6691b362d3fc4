internal import GRPC
internal import HTTP2
internal import Inference

/// Response headers that say which deployment answered, made once for each name.
///
/// Names are the operator's. Past the limit, answers say nothing: a header is no place to spend memory without bounds.
final class DeploymentHeaders {
  private static let slotCount = 2048
  private static let maxNames = 1024

  private struct Slot {
    var name: UnsafeRawBufferPointer
    var headers: PreparedHeaders
  }

  /// Never freed: an answer may still wait to be sent.
  private let slots: UnsafeMutablePointer<Slot?>
  private var count = 0

  init() {
    slots = .allocate(capacity: Self.slotCount)
    slots.initialize(repeating: nil, count: Self.slotCount)
  }

  func headers(for name: UnsafeRawBufferPointer) -> PreparedHeaders? {
    var slot = Self.hash(name) & (Self.slotCount - 1)
    while let known = slots[slot] {
      if known.name == name { return known.headers }
      slot = (slot + 1) & (Self.slotCount - 1)
    }
    guard count < Self.maxNames else { return nil }
    count += 1
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: name.count, alignment: 1)
    copy.copyMemory(from: name)
    let headers = answerHeaders(adding: "azureml-model-deployment", name)
    slots[slot] = Slot(name: UnsafeRawBufferPointer(copy), headers: headers)
    return headers
  }

  /// FNV-1a, 64 bits (RFC 9923).
  private static func hash(_ name: UnsafeRawBufferPointer) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return Int(truncatingIfNeeded: hash ^ hash >> 32) & Int.max
  }
}
