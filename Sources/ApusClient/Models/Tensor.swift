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

  // By cases and not by names: every tensor of every call passes here.

  /// The server side's word for the same.
  var wire: Inference.Datatype {
    switch self {
    case .bool: .bool
    case .uint8: .uint8
    case .uint16: .uint16
    case .uint32: .uint32
    case .uint64: .uint64
    case .int8: .int8
    case .int16: .int16
    case .int32: .int32
    case .int64: .int64
    case .fp16: .fp16
    case .fp32: .fp32
    case .fp64: .fp64
    case .bytes: .bytes
    case .bf16: .bf16
    }
  }

  init(_ wire: Inference.Datatype) {
    self =
      switch wire {
      case .bool: .bool
      case .uint8: .uint8
      case .uint16: .uint16
      case .uint32: .uint32
      case .uint64: .uint64
      case .int8: .int8
      case .int16: .int16
      case .int32: .int32
      case .int64: .int64
      case .fp16: .fp16
      case .fp32: .fp32
      case .fp64: .fp64
      case .bytes: .bytes
      case .bf16: .bf16
      }
  }
}

/// A named tensor with its elements.
///
/// Its bytes stay where they are: an array that a tensor is made of is sent from where it lies, and an output's bytes
/// are those that were received. Copies of a tensor share them.
public struct Tensor: Sendable {
  public var name: String
  public var datatype: Datatype
  /// Axis 0 first. A scalar has no axes.
  public var shape: [Int64]
  /// What the server said of an output beside its elements.
  public var parameters: [String: Parameter] = [:]
  let storage: TensorStorage

  init(name: String, datatype: Datatype, shape: [Int64], storage: TensorStorage) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
    self.storage = storage
  }

  /// - Parameter bytes: Row-major and without padding, little-endian; BYTES elements are each a 4-byte length and that
  ///   many bytes.
  public init(name: String, datatype: Datatype, shape: [Int64], bytes: [UInt8]) {
    self.init(name: name, datatype: datatype, shape: shape, storage: TensorStorage(bytes))
  }

  /// A tensor whose bytes are copied from a span, in the same form.
  public init(name: String, datatype: Datatype, shape: [Int64], copying bytes: RawSpan) {
    let copy = [UInt8](unsafeUninitializedCapacity: bytes.byteCount) { room, count in
      bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(room).copyMemory(from: $0) }
      count = bytes.byteCount
    }
    self.init(name: name, datatype: datatype, shape: shape, bytes: copy)
  }

  /// A tensor over memory that somebody else owns, such as a mapped file: it is neither copied nor written.
  ///
  /// - Parameter owner: Held for as long as the tensor, or a call that sends it, needs the bytes. They must stay where
  ///   and what they are until it is let go.
  public init(
    name: String, datatype: Datatype, shape: [Int64], unsafeBytes bytes: UnsafeRawBufferPointer, owner: AnyObject
  ) {
    self.init(name: name, datatype: datatype, shape: shape, storage: TensorStorage(bytes: bytes, owner: owner))
  }

  /// Copies of the bytes as they travel: little-endian, row-major.
  public var bytes: [UInt8] { Array(storage.bytes) }

  public var byteCount: Int { storage.bytes.count }

  /// Lends the bytes where they lie.
  public func withBytes<Result, Failure: Error>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(storage.owner) {} }
    return try body(storage.bytes.bytes)
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

extension Tensor: Hashable {
  /// Whether name, datatype, shape, parameters and bytes are the same.
  public static func == (left: Tensor, right: Tensor) -> Bool {
    left.name == right.name && left.datatype == right.datatype && left.shape == right.shape
      && left.parameters == right.parameters && left.storage.bytes.elementsEqual(right.storage.bytes)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(datatype)
    hasher.combine(shape)
    hasher.combine(bytes: storage.bytes)
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
