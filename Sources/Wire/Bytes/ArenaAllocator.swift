internal import CProtobufC
internal import Inference

/// protobuf-c's memory, taken from an arena.
///
/// Freeing does nothing, so an unpacked message lives until the arena's reset, and what a failed unpack leaves behind
/// is harmless. When the arena is full protobuf-c gets NULL and gives the message up.
struct ArenaAllocator {
  let arena: UnsafeMutablePointer<Arena>
  /// Whether an allocation was refused.
  fileprivate(set) var ranOut = false

  init(_ arena: UnsafeMutablePointer<Arena>) { self.arena = arena }
}

private func allocateFromArena(_ state: UnsafeMutableRawPointer?, _ byteCount: Int) -> UnsafeMutableRawPointer? {
  let allocator = state!.assumingMemoryBound(to: ArenaAllocator.self)
  if let memory = allocator.pointee.arena.pointee.allocate(byteCount: byteCount) { return memory }
  allocator.pointee.ranOut = true
  return nil
}

private func freeNothing(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) {}

/// Unpacks bytes that a `WireScan` has passed.
///
/// - Parameters:
///   - neededBytes: The scan's estimate of the memory it takes.
///   - message: What is being read, for the error's text.
/// - Throws: `.resourceExhausted` if it does not fit into the arena; `.invalidArgument` if protobuf-c refuses the
///   bytes.
@inline(__always)
func unpack(
  _ bytes: UnsafeRawBufferPointer, _ schema: MessageSchema, neededBytes: Int, in arena: UnsafeMutablePointer<Arena>
) throws(InferenceError) -> UnsafeMutablePointer<ProtobufCMessage> {
  guard neededBytes <= arena.pointee.limitBytes &- arena.pointee.usedBytes else { throw outOfMemory(schema, arena) }
  var allocator = ArenaAllocator(arena)
  let unpacked = withUnsafeMutablePointer(to: &allocator) { state in
    var hooks = ProtobufCAllocator(alloc: allocateFromArena, free: freeNothing, allocator_data: state)
    return protobuf_c_message_unpack(
      schema.descriptor, &hooks, bytes.count, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
  }
  if let unpacked { return unpacked }
  throw allocator.ranOut ? outOfMemory(schema, arena) : .invalidArgument("\(schema.shortName) is malformed")
}

/// Says that a message and what is made of it need more than the arena gives.
@inline(never)
func outOfMemory(_ schema: MessageSchema, _ arena: UnsafeMutablePointer<Arena>) -> InferenceError {
  .resourceExhausted(
    "\(schema.shortName) needs more memory to decode than the limit of \(arena.pointee.limitBytes) bytes for one call")
}

/// Scans and unpacks a whole message.
func scanAndUnpack(
  _ bytes: UnsafeRawBufferPointer, _ schema: MessageSchema, in arena: UnsafeMutablePointer<Arena>
) throws(InferenceError) -> UnsafeMutablePointer<ProtobufCMessage> {
  var scan = WireScan()
  guard scan.scanMessage(bytes, schema) else { throw scan.fault!.error(in: schema.shortName) }
  return try unpack(bytes, schema, neededBytes: scan.neededBytes, in: arena)
}
