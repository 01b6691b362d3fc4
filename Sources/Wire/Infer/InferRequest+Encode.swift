package import Inference

/// Bytes of a protobuf message as they are written, in memory that grows: for requests, whose tensors stay outside.
///
/// A message inside a message is written before its length is known; the length takes one byte where it fits.
package struct RequestWriter: ~Copyable {
  private var start: UnsafeMutableRawPointer
  private var capacity: Int
  package private(set) var count: Int

  /// - Parameter headroom: Bytes to leave free at the start, for what is put in front of a message.
  package init(reserving capacity: Int, headroom: Int) {
    self.capacity = max(capacity + headroom, 64)
    start = .allocate(byteCount: self.capacity, alignment: 16)
    count = headroom
  }

  deinit { start.deallocate() }

  /// The bytes, headroom included. The caller frees them.
  package consuming func take() -> UnsafeMutableRawBufferPointer {
    let bytes = UnsafeMutableRawBufferPointer(start: start, count: count)
    discard self
    return bytes
  }

  // MARK: Fields of a ModelInferRequest

  package mutating func head(modelName: String, modelVersion: String, id: String) {
    string(1, modelName)
    if !modelVersion.isEmpty { string(2, modelVersion) }
    if !id.isEmpty { string(3, id) }
  }

  package mutating func requestParameter(_ key: String, _ value: InferParameter) { parameter(4, key, value) }

  package mutating func input(
    name: String, datatype: Datatype, shape: [Int64], parameters: [(String, InferParameter)] = []
  ) {
    let place = beginMessage(5)
    string(1, name)
    field(2, UnsafeRawBufferPointer(start: datatype.token.utf8Start, count: datatype.token.utf8CodeUnitCount))
    if !shape.isEmpty {
      let axes = beginMessage(3)
      for length in shape { varint(UInt64(bitPattern: length)) }
      endMessage(axes)
    }
    for (key, value) in parameters { parameter(4, key, value) }
    endMessage(place)
  }

  /// - Parameter classCount: Of the classification extension; 0: the tensor itself.
  package mutating func requestedOutput(name: String, classCount: Int) {
    let place = beginMessage(6)
    string(1, name)
    if classCount > 0 { parameter(2, "classification", .int64(Int64(classCount))) }
    endMessage(place)
  }

  /// The head of an entry of `raw_input_contents`; its bytes follow it on the wire, here or elsewhere.
  package mutating func rawContentsHead(byteCount: Int) { lengthDelimitedHead(7, byteCount) }

  package mutating func bytes(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress else { return }
    ensure(bytes.count)
    (start + count).copyMemory(from: source, byteCount: bytes.count)
    count += bytes.count
  }

  // MARK: Protobuf

  private mutating func parameter(_ number: UInt8, _ key: String, _ value: InferParameter) {
    let entry = beginMessage(number)
    string(1, key)
    let choice = beginMessage(2)
    switch value {
    case .bool(let value):
      tag(1, WireType.varint)
      varint(value ? 1 : 0)
    case .int64(let value):
      tag(2, WireType.varint)
      varint(UInt64(bitPattern: value))
    case .string(let value): string(3, value)
    case .double(let value):
      tag(4, WireType.fixed64)
      withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes($0) }
    case .uint64(let value):
      tag(5, WireType.varint)
      varint(value)
    }
    endMessage(choice)
    endMessage(entry)
  }

  private mutating func tag(_ number: UInt8, _ wireType: UInt8) {
    ensure(1)
    (start + count).storeBytes(of: number << 3 | wireType, as: UInt8.self)
    count += 1
  }

  private mutating func varint(_ value: UInt64) {
    ensure(10)
    var writer = WireWriter(at: start + count)
    writer.varint(value)
    count = writer.at - start
  }

  private mutating func lengthDelimitedHead(_ number: UInt8, _ byteCount: Int) {
    tag(number, WireType.lengthDelimited)
    varint(UInt64(byteCount))
  }

  private mutating func field(_ number: UInt8, _ value: UnsafeRawBufferPointer) {
    lengthDelimitedHead(number, value.count)
    bytes(value)
  }

  private mutating func string(_ number: UInt8, _ value: String) {
    var value = value
    value.withUTF8 { field(number, UnsafeRawBufferPointer($0)) }
  }

  /// Leaves one byte for the length and says where the contents begin.
  private mutating func beginMessage(_ number: UInt8) -> Int {
    tag(number, WireType.lengthDelimited)
    ensure(1)
    count += 1
    return count
  }

  private mutating func endMessage(_ contents: Int) {
    let size = count - contents
    let extra = WireWriter.varintSize(UInt64(size)) - 1
    if extra > 0 {
      ensure(extra)
      memmove(contents, by: extra, size)
      count += extra
    }
    var writer = WireWriter(at: start + (contents - 1))
    writer.varint(UInt64(size))
  }

  private func memmove(_ offset: Int, by distance: Int, _ size: Int) {
    // `copyMemory` allows regions that overlap.
    (start + offset + distance).copyMemory(from: start + offset, byteCount: size)
  }

  private mutating func ensure(_ more: Int) {
    if count + more > capacity { grow(to: count + more) }
  }

  @inline(never)
  private mutating func grow(to needed: Int) {
    let larger = UnsafeMutableRawPointer.allocate(byteCount: max(needed, 2 * capacity), alignment: 16)
    larger.copyMemory(from: start, byteCount: count)
    start.deallocate()
    start = larger
    capacity = max(needed, 2 * capacity)
  }
}
