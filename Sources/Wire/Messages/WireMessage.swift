internal import CProtobufC
package import Inference

/// A message as a plain Swift value, for everything that is not the hot path.
///
/// Inference requests and answers of a server go through `decodeModelInferRequest` and `encodeModelInferResponse`.
package protocol WireMessage: Sendable {
  /// Reads it from its wire form. Unknown fields are skipped, and what is missing has its default.
  ///
  /// - Throws: `.invalidArgument` with the path of the field that is wrong; `.resourceExhausted` if the message needs
  ///   far more memory than its size.
  init(decoding bytes: UnsafeRawBufferPointer) throws(InferenceError)

  /// Its wire form. Map entries are in the order of their keys, so equal values give equal bytes.
  func encoded() -> [UInt8]
}

extension WireMessage {
  package init(decoding bytes: [UInt8]) throws(InferenceError) {
    let result = bytes.withUnsafeBytes { bytes -> Result<Self, InferenceError> in
      do throws(InferenceError) { return .success(try Self(decoding: bytes)) } catch { return .failure(error) }
    }
    self = try result.get()
  }
}

/// A message that has a counterpart among protoc-c's structs, and goes to the wire and back through it.
protocol CMessage: WireMessage {
  /// protoc-c's struct.
  associatedtype C
  /// protoc-c's `…__init` of it.
  static var initialize: (UnsafeMutablePointer<C>?) -> Void { get }

  /// Copies everything out of an unpacked struct.
  init(_ c: C) throws(InferenceError)

  /// Fills in an initialised struct. What it points to comes from `builder` and lives as long.
  func fill(_ c: inout C, _ builder: MessageBuilder)
}

extension CMessage {
  package init(decoding bytes: UnsafeRawBufferPointer) throws(InferenceError) {
    // A message unpacks to a few times its size; to many times only if it is small, or made to.
    var arena = Arena(limitBytes: (16 << 20) + 8 * bytes.count)
    let result = withUnsafeMutablePointer(to: &arena) { arena -> Result<Self, InferenceError> in
      do throws(InferenceError) {
        let unpacked = try scanAndUnpack(bytes, MessageSchema(of: Self.initialize), in: arena)
        return .success(try Self(UnsafeMutableRawPointer(unpacked).assumingMemoryBound(to: C.self).pointee))
      } catch {
        return .failure(error)
      }
    }
    self = try result.get()
  }

  package func encoded() -> [UInt8] { packed { self.fill(&$0.pointee, $1) } }

  /// Packs a struct that `fill` fills in, and leaves room behind it.
  func packed(
    reserving tailBytes: Int = 0, _ fill: (UnsafeMutablePointer<C>, MessageBuilder) -> Void
  ) -> [UInt8] {
    var arena = Arena()
    return withUnsafeMutablePointer(to: &arena) { arena in
      let builder = MessageBuilder(arena: arena)
      let c = builder.make(Self.initialize)
      fill(c, builder)
      let message = UnsafeRawPointer(c).assumingMemoryBound(to: ProtobufCMessage.self)
      let size = protobuf_c_message_get_packed_size(message)
      var bytes: [UInt8] = []
      bytes.reserveCapacity(size + tailBytes)
      bytes.append(contentsOf: [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        // Empty arrays may have no address, and an empty message writes nothing.
        count = size == 0 ? 0 : protobuf_c_message_pack(message, buffer.baseAddress)
      })
      return bytes
    }
  }
}

/// Makes protoc-c's structs out of Swift values. What it makes lives as long as its arena, which has no limit here.
struct MessageBuilder {
  let arena: UnsafeMutablePointer<Arena>

  func allocate<T>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
    arena.pointee.allocate(type, count: count)!
  }

  /// An initialised struct.
  func make<C>(_ initialize: (UnsafeMutablePointer<C>?) -> Void) -> UnsafeMutablePointer<C> {
    let c = allocate(C.self, 1)
    initialize(c)
    return c
  }

  func message<M: CMessage>(_ value: M) -> UnsafeMutablePointer<M.C> {
    let c = make(M.initialize)
    value.fill(&c.pointee, self)
    return c
  }

  func optional<M: CMessage>(_ value: M?) -> UnsafeMutablePointer<M.C>? { value.map { message($0) } }

  /// A copy that ends with a NUL. A string of the wire can't hold one: the rest of it would be lost.
  func string(_ value: String) -> UnsafeMutablePointer<CChar> {
    let count = value.utf8.count
    let room = allocate(CChar.self, count + 1)
    var index = 0
    for byte in value.utf8 {
      room[index] = CChar(bitPattern: byte)
      index += 1
    }
    room[count] = 0
    return room
  }

  func bytes(_ value: [UInt8]) -> ProtobufCBinaryData {
    let room = allocate(UInt8.self, value.count)
    room.initialize(from: value, count: value.count)
    return ProtobufCBinaryData(len: value.count, data: room)
  }

  func scalars<T>(_ values: [T]) -> UnsafeMutablePointer<T> {
    let room = allocate(T.self, values.count)
    room.initialize(from: values, count: values.count)
    return room
  }

  func strings(_ values: [String]) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
    scalars(values.map { Optional(string($0)) })
  }

  func list<M: CMessage>(_ values: [M]) -> UnsafeMutablePointer<UnsafeMutablePointer<M.C>?> {
    scalars(values.map { Optional(message($0)) })
  }

  /// Map entries, in the order of their keys.
  func entries<Value, Entry>(
    _ values: [String: Value], _ initialize: (UnsafeMutablePointer<Entry>?) -> Void,
    _ fill: (inout Entry, UnsafeMutablePointer<CChar>, Value) -> Void
  ) -> UnsafeMutablePointer<UnsafeMutablePointer<Entry>?> {
    scalars(
      values.sorted { $0.key < $1.key }.map { key, value in
        let entry = make(initialize)
        fill(&entry.pointee, string(key), value)
        return Optional(entry)
      })
  }
}

// MARK: - Reading protoc-c's structs

func string(_ c: UnsafePointer<CChar>?) -> String { c.map { String(cString: $0) } ?? "" }

func array(_ data: ProtobufCBinaryData) -> [UInt8] {
  Array(UnsafeBufferPointer(start: data.data, count: data.data == nil ? 0 : data.len))
}

func array<T>(_ start: UnsafePointer<T>?, _ count: Int) -> [T] {
  Array(UnsafeBufferPointer(start: start, count: start == nil ? 0 : count))
}

func strings(_ start: UnsafePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int) -> [String] {
  array(start, count).map { string($0) }
}

func list<M: CMessage>(
  _ start: UnsafePointer<UnsafeMutablePointer<M.C>?>?, _ count: Int
) throws(InferenceError) -> [M] {
  var values: [M] = []
  for element in array(start, count) { values.append(try M(element!.pointee)) }
  return values
}

func optional<M: CMessage>(_ c: UnsafePointer<M.C>?) throws(InferenceError) -> M? {
  guard let c else { return nil }
  return try M(c.pointee)
}

/// A map's entries. A key that comes twice has its last value.
func dictionary<Entry, Value>(
  _ start: UnsafePointer<UnsafeMutablePointer<Entry>?>?, _ count: Int,
  _ read: (Entry) throws(InferenceError) -> (String, Value)
) throws(InferenceError) -> [String: Value] {
  var values: [String: Value] = [:]
  for entry in array(start, count) {
    let (key, value) = try read(entry!.pointee)
    values[key] = value
  }
  return values
}
