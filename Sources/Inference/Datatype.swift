/// The element type of a tensor, as the Open Inference Protocol spells it.
///
/// Source: Open Inference Protocol, "Tensor Data Types"; BF16 is Triton's addition.
package enum Datatype: UInt8, Hashable, Sendable, CaseIterable {
  case bool, uint8, uint16, uint32, uint64, int8, int16, int32, int64, fp16, fp32, fp64, bytes, bf16

  /// Size of one element in bytes, or nil for BYTES, whose elements carry their own length.
  package var byteSize: Int? {
    switch self {
    case .bool, .uint8, .int8: 1
    case .uint16, .int16, .fp16, .bf16: 2
    case .uint32, .int32, .fp32: 4
    case .uint64, .int64, .fp64: 8
    case .bytes: nil
    }
  }

  /// The protocol's token, such as `FP32`.
  package var token: StaticString {
    switch self {
    case .bool: "BOOL"
    case .uint8: "UINT8"
    case .uint16: "UINT16"
    case .uint32: "UINT32"
    case .uint64: "UINT64"
    case .int8: "INT8"
    case .int16: "INT16"
    case .int32: "INT32"
    case .int64: "INT64"
    case .fp16: "FP16"
    case .fp32: "FP32"
    case .fp64: "FP64"
    case .bytes: "BYTES"
    case .bf16: "BF16"
    }
  }

  package init?(token: String) {
    var token = token
    let found = token.withUTF8 { Datatype(token: UnsafeRawBufferPointer($0)) }
    guard let found else { return nil }
    self = found
  }

  /// Reads a token from wire bytes without making a `String`.
  package init?(token: UnsafeRawBufferPointer) {
    for candidate in Datatype.allTokens where candidate.matches(token) {
      self = candidate.datatype
      return
    }
    return nil
  }

  private struct Candidate: Sendable {
    let datatype: Datatype
    func matches(_ bytes: UnsafeRawBufferPointer) -> Bool {
      bytes.equals(datatype.token)
    }
  }

  /// The common ones first: the list is searched in order.
  private static let allTokens: [Candidate] =
    [.fp32, .int64, .int32, .bytes, .uint8, .fp16, .bool, .bf16, .fp64, .int8, .int16, .uint16, .uint32, .uint64]
    .map { Candidate(datatype: $0) }
}

extension Datatype: CustomStringConvertible {
  package var description: String { "\(token)" }
}
