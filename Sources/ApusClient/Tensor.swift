internal import Inference

/// The element type of a tensor, by its name in the Open Inference Protocol.
public enum Datatype: String, Sendable, Hashable, CaseIterable {
  case bool = "BOOL"
  case uint8 = "UINT8"
  case uint16 = "UINT16"
  case uint32 = "UINT32"
  case uint64 = "UINT64"
  case int8 = "INT8"
  case int16 = "INT16"
  case int32 = "INT32"
  case int64 = "INT64"
  case fp16 = "FP16"
  case fp32 = "FP32"
  case fp64 = "FP64"
  case bytes = "BYTES"
  case bf16 = "BF16"

  /// Size of one element, or nil for BYTES, whose elements carry their own length.
  public var byteSize: Int? { wire.byteSize }

  /// The server side's word for the same.
  var wire: Inference.Datatype {
    guard let datatype = Inference.Datatype(token: rawValue) else {
      preconditionFailure("\(rawValue) is a datatype here only. This is a bug.")
    }
    return datatype
  }

  init(_ wire: Inference.Datatype) {
    guard let datatype = Datatype(rawValue: wire.description) else {
      preconditionFailure("\(wire) is a datatype of the server only. This is a bug.")
    }
    self = datatype
  }
}

/// A named tensor with its elements.
public struct Tensor: Sendable, Hashable {
  public var name: String
  public var datatype: Datatype
  /// Axis 0 first. A scalar has no axes.
  public var shape: [Int64]
  /// Row-major and without padding, little-endian; BYTES elements are each a 4-byte length and that many bytes.
  public var bytes: [UInt8]
  /// What the server said of an output beside its elements.
  public var parameters: [String: Parameter] = [:]

  public init(name: String, datatype: Datatype, shape: [Int64], bytes: [UInt8]) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
    self.bytes = bytes
  }

  /// Product of the shape: 1 for a scalar. Nil for a shape that no tensor has: with a length below 0, or with more
  /// elements than fit an `Int`. Servers send what they like.
  public var elementCount: Int? {
    if shape.contains(where: { $0 < 0 }) { return nil }
    if shape.contains(0) { return 0 }
    var product = 1
    for length in shape {
      let (next, overflow) = product.multipliedReportingOverflow(by: Int(length))
      guard !overflow else { return nil }
      product = next
    }
    return product
  }
}

/// A setting of a request, an output or an answer.
public enum Parameter: Sendable, Hashable {
  case bool(Bool)
  case int64(Int64)
  case uint64(UInt64)
  case double(Double)
  case string(String)
}
