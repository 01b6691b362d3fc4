internal import CProtobufC
internal import CProtos
internal import Inference

/// A field of InferTensorContents.
enum ContentsField: Int, CaseIterable {
  case bool, int, int64, uint, uint64, fp32, fp64, bytes

  var name: String {
    switch self {
    case .bool: "bool_contents"
    case .int: "int_contents"
    case .int64: "int64_contents"
    case .uint: "uint_contents"
    case .uint64: "uint64_contents"
    case .fp32: "fp32_contents"
    case .fp64: "fp64_contents"
    case .bytes: "bytes_contents"
    }
  }

  func count(in contents: UnsafePointer<Inference__InferTensorContents>) -> Int {
    switch self {
    case .bool: contents.pointee.n_bool_contents
    case .int: contents.pointee.n_int_contents
    case .int64: contents.pointee.n_int64_contents
    case .uint: contents.pointee.n_uint_contents
    case .uint64: contents.pointee.n_uint64_contents
    case .fp32: contents.pointee.n_fp32_contents
    case .fp64: contents.pointee.n_fp64_contents
    case .bytes: contents.pointee.n_bytes_contents
    }
  }
}

extension Datatype {
  /// Where elements of this type travel when they are not raw; nil for FP16 and BF16, which always are.
  ///
  /// Source: Open Inference Protocol, "Tensor Data Types".
  var contentsField: ContentsField? {
    switch self {
    case .bool: .bool
    case .int8, .int16, .int32: .int
    case .int64: .int64
    case .uint8, .uint16, .uint32: .uint
    case .uint64: .uint64
    case .fp32: .fp32
    case .fp64: .fp64
    case .bytes: .bytes
    case .fp16, .bf16: nil
    }
  }
}

/// A tensor's bytes from its typed contents.
///
/// Where an element is as wide in memory as on the wire the unpacked array itself is the tensor; the others are
/// narrowed into new memory, and BYTES elements get their length in front.
///
/// - Parameters:
///   - kind: `input` or `output`, for errors.
///   - name: The tensor's, for errors.
/// - Throws: `.invalidArgument` if the elements are not in the datatype's own field, or in a second one too.
func rawBytes(
  of contents: UnsafePointer<Inference__InferTensorContents>, _ datatype: Datatype, _ kind: StaticString,
  _ name: UnsafeRawBufferPointer, in arena: UnsafeMutablePointer<Arena>
) throws(InferenceError) -> UnsafeRawBufferPointer {
  guard let field = datatype.contentsField else {
    throw .invalidArgument(
      "\(kind) \(quoted(name)) has datatype \(datatype), which contents has no field for; use raw_input_contents")
  }
  for other in ContentsField.allCases where other != field && other.count(in: contents) > 0 {
    throw .invalidArgument(
      "\(kind) \(quoted(name)) of datatype \(datatype) has \(other.name); expected \(field.name)")
  }

  let count = field.count(in: contents)
  switch datatype {
  case .int32: return UnsafeRawBufferPointer(start: contents.pointee.int_contents, count: 4 * count)
  case .uint32: return UnsafeRawBufferPointer(start: contents.pointee.uint_contents, count: 4 * count)
  case .int64: return UnsafeRawBufferPointer(start: contents.pointee.int64_contents, count: 8 * count)
  case .uint64: return UnsafeRawBufferPointer(start: contents.pointee.uint64_contents, count: 8 * count)
  case .fp32: return UnsafeRawBufferPointer(start: contents.pointee.fp32_contents, count: 4 * count)
  case .fp64: return UnsafeRawBufferPointer(start: contents.pointee.fp64_contents, count: 8 * count)
  case .bool:
    return try narrow(contents.pointee.bool_contents, count, in: arena) { $0 == 0 ? 0 as UInt8 : 1 }
  case .int8: return try narrow(contents.pointee.int_contents, count, in: arena) { Int8(truncatingIfNeeded: $0) }
  case .int16: return try narrow(contents.pointee.int_contents, count, in: arena) { Int16(truncatingIfNeeded: $0) }
  case .uint8: return try narrow(contents.pointee.uint_contents, count, in: arena) { UInt8(truncatingIfNeeded: $0) }
  case .uint16: return try narrow(contents.pointee.uint_contents, count, in: arena) { UInt16(truncatingIfNeeded: $0) }
  case .bytes: return try withLengths(contents.pointee.bytes_contents, count, in: arena)
  case .fp16, .bf16: fatalError("\(datatype) has no field in contents. This is a bug.")
  }
}

/// Keeps the low bytes of each element.
@inline(__always)
private func narrow<Wide, Narrow>(
  _ elements: UnsafePointer<Wide>?, _ count: Int, in arena: UnsafeMutablePointer<Arena>, _ low: (Wide) -> Narrow
) throws(InferenceError) -> UnsafeRawBufferPointer {
  guard let room = arena.pointee.allocate(Narrow.self, count: count) else {
    throw outOfMemory(SplitInferRequest.schema, arena)
  }
  for index in 0..<count { (room + index).initialize(to: low(elements![index])) }
  return UnsafeRawBufferPointer(UnsafeBufferPointer(start: room, count: count))
}

/// Puts each element behind its length in four bytes, little-endian.
private func withLengths(
  _ elements: UnsafePointer<ProtobufCBinaryData>?, _ count: Int, in arena: UnsafeMutablePointer<Arena>
) throws(InferenceError) -> UnsafeRawBufferPointer {
  var total = 4 * count
  for index in 0..<count { total += elements![index].len }
  guard let room = arena.pointee.allocate(byteCount: total) else {
    throw outOfMemory(SplitInferRequest.schema, arena)
  }
  var at = room
  for index in 0..<count {
    let element = elements![index]
    at.storeBytes(of: UInt32(truncatingIfNeeded: element.len).littleEndian, as: UInt32.self)
    if let bytes = element.data { (at + 4).copyMemory(from: bytes, byteCount: element.len) }
    at += 4 + element.len
  }
  return UnsafeRawBufferPointer(start: room, count: total)
}
