internal import Inference

/// RPC names to handlers: `/package.Service/Method` to what answers it. Built once for each event loop.
///
/// A service adds its methods in one file of its own; see `Services`.
package struct MethodTable {
  package enum Handler {
    case unary(any UnaryMethod)
    case stream(any StreamMethod)
  }

  struct Entry {
    /// Never freed: a table lives as long as the server.
    let path: UnsafeRawBufferPointer
    let handler: Handler
  }

  private(set) var entries: [Entry] = []
  private var services: Set<String> = []
  /// Open addressing over the path's hash: indices into `entries`, or -1.
  private var slots: [Int32] = Array(repeating: -1, count: 64)

  package init() {}

  /// - Precondition: The method is not in the table yet.
  package mutating func add(_ service: String, _ method: String, _ handler: Handler) {
    let name = Array("/\(service)/\(method)".utf8)
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: name.count, alignment: 1)
    copy.copyBytes(from: name)
    let path = UnsafeRawBufferPointer(copy)
    precondition(index(of: path) == nil, "\(service)/\(method) is in the method table twice. This is a bug.")
    services.insert(service)
    entries.append(Entry(path: path, handler: handler))
    if 2 * entries.count > slots.count { slots = Array(repeating: -1, count: 2 * slots.count) }
    for index in entries.indices { place(index) }
  }

  package mutating func add(_ service: String, _ method: String, _ handler: any UnaryMethod) {
    add(service, method, .unary(handler))
  }

  package mutating func add(_ service: String, _ method: String, _ handler: any StreamMethod) {
    add(service, method, .stream(handler))
  }

  /// - Parameter likely: An index that is tried first.
  package func index(of path: UnsafeRawBufferPointer, likely: Int = 0) -> Int? {
    if likely < entries.count, entries[likely].path == path { return likely }
    var slot = Self.hash(path) & (slots.count - 1)
    while slots[slot] >= 0 {
      let index = Int(slots[slot])
      if entries[index].path == path { return index }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  /// Why a path is not in the table.
  package func unknown(_ path: String) -> GRPCStatus {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    if parts.count == 3, services.contains(String(parts[1])) {
      return GRPCStatus(.unimplemented, "service \(parts[1]) has no method '\(parts[2])'")
    }
    return GRPCStatus(.unimplemented, "unknown service or method '\(path)'")
  }

  private mutating func place(_ index: Int) {
    var slot = Self.hash(entries[index].path) & (slots.count - 1)
    while slots[slot] >= 0 {
      if slots[slot] == Int32(index) { return }
      slot = (slot + 1) & (slots.count - 1)
    }
    slots[slot] = Int32(index)
  }

  /// FNV-1a (Fowler, Noll, Vo), 64 bits.
  private static func hash(_ path: UnsafeRawBufferPointer) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in path { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return Int(truncatingIfNeeded: hash ^ hash >> 32) & Int.max
  }
}
