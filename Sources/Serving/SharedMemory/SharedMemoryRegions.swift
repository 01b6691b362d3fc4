package import Inference
internal import Synchronization
internal import Threads

/// The regions of shared memory that clients have registered, by the names that they gave them, and how much of them is
/// copied at the moment. One table a server, for all of its threads.
///
/// A server without one shares no memory. Source: Triton, "Shared-Memory Extension".
package final class SharedMemoryRegions: Sendable {
  package struct Limits: Hashable, Sendable {
    /// Regions at once; each holds a descriptor.
    package var maxRegions = 1024
    /// Bytes of the inputs that requests in hand have copied out of regions, together.
    package var maxCopiedBytes = 2 << 30

    package init() {}
  }

  /// A region as it was registered.
  package struct Entry: Hashable, Sendable {
    package var name: String
    package var key: String
    package var offset: UInt64
    package var byteSize: UInt64
  }

  /// Longest name of a region, in bytes.
  package static let maxNameBytes = 256

  package let limits: Limits
  /// Whether only callers from the operator's own network share memory.
  private let isForPrivateCallers: Bool
  private let regions = Locked<[String: SharedMemoryRegion]>([:])
  private let copiedBytes = Atomic<Int>(0)

  /// - Parameter isForPrivateCallers: Of a server with endpoints: who reaches those may be anybody, and shared memory is
  ///   between processes of this machine.
  package init(limits: Limits = Limits(), isForPrivateCallers: Bool = false) {
    self.limits = limits
    self.isForPrivateCallers = isForPrivateCallers
  }

  // MARK: - Who may

  /// Why nothing is shared where there is no table.
  package static var notAllowed: InferenceError {
    .failedPrecondition("this server shares no memory with its clients; it does when started with --shared-memory")
  }

  package static var noCUDA: InferenceError {
    .unimplemented("this server has no CUDA shared memory; system shared memory is there with --shared-memory")
  }

  /// - Parameter isPrivate: Whether the caller comes from the operator's own network.
  package func admits(isPrivate: Bool) -> Bool { isPrivate || !isForPrivateCallers }

  /// - Throws: `.permissionDenied` unless such a caller may share memory.
  package func checkCaller(isPrivate: Bool) throws(InferenceError) {
    guard admits(isPrivate: isPrivate) else {
      throw .permissionDenied(
        "a server with endpoints shares memory with those only who come by --private-listen or --private-http-listen")
    }
  }

  // MARK: - Regions

  /// Opens a part of a shared memory object, and keeps it under a name.
  ///
  /// - Parameter key: The object's name, as for `shm_open`.
  /// - Throws: `.alreadyExists` if there is a region of this name, whatever it is; `.resourceExhausted` at the limit; else
  ///   as `SharedMemoryRegion.open`.
  package func register(
    _ name: String, key: String, offset: UInt64, byteSize: UInt64
  ) throws(InferenceError) {
    guard !name.isEmpty, name.utf8.count <= SharedMemoryRegions.maxNameBytes else {
      throw .invalidArgument(
        "the name of a shared memory region has \(name.utf8.count) bytes; expected 1 to \(SharedMemoryRegions.maxNameBytes)")
    }
    if let obstacle = regions.withLock({ obstacle(to: name, in: $0) }) { throw obstacle }
    let region = try SharedMemoryRegion.open(name, key: key, offset: offset, byteSize: byteSize)
    // Another may have come first meanwhile.
    let late = regions.withLock { regions -> InferenceError? in
      if let obstacle = obstacle(to: name, in: regions) { return obstacle }
      regions[name] = region
      return nil
    }
    if let late { throw late }
  }

  private func obstacle(to name: String, in regions: [String: SharedMemoryRegion]) -> InferenceError? {
    if regions[name] != nil { return .alreadyExists("\(SharedMemoryRegion.region(name)) is registered already") }
    guard regions.count < limits.maxRegions else {
      return .resourceExhausted("\(regions.count) shared memory regions are registered; that is the limit")
    }
    return nil
  }

  /// Forgets a region; one that is not there is forgotten already. Requests that use it keep it until they are done.
  ///
  /// - Parameter name: Empty: all of them.
  package func unregister(_ name: String) {
    // Given out, so that they are closed when the lock is free again.
    _ = regions.withLock { regions -> [SharedMemoryRegion] in
      if !name.isEmpty { return regions.removeValue(forKey: name).map { [$0] } ?? [] }
      let all = Array(regions.values)
      regions = [:]
      return all
    }
  }

  /// What is registered, by name.
  ///
  /// - Parameter name: Empty: all of it.
  /// - Throws: `.notFound` if there is no such region.
  package func entries(_ name: String = "") throws(InferenceError) -> [Entry] {
    let found = try name.isEmpty ? regions.withLock({ Array($0.values) }) : [region(name)]
    return found.sorted { $0.name < $1.name }.map {
      Entry(name: $0.name, key: $0.key, offset: UInt64($0.offset), byteSize: UInt64($0.byteCount))
    }
  }

  // MARK: - Tensors

  /// The region that a tensor lies in.
  ///
  /// - Throws: `.notFound` if there is none of its name; `.invalidArgument` if the tensor reaches past its end.
  func region(of tensor: SharedTensor) throws(InferenceError) -> SharedMemoryRegion {
    let region = try region(String(decoding: tensor.region, as: UTF8.self))
    let (end, overflow) = tensor.offset.addingReportingOverflow(tensor.byteCount)
    guard !overflow, end <= region.byteCount else {
      throw .invalidArgument(
        "shared_memory_offset \(tensor.offset) and shared_memory_byte_size \(tensor.byteCount) reach past the end of "
          + "\(SharedMemoryRegion.region(region.name)), which has \(region.byteCount) bytes")
    }
    return region
  }

  private func region(_ name: String) throws(InferenceError) -> SharedMemoryRegion {
    guard let region = regions.withLock({ $0[name] }) else {
      throw .notFound("\(SharedMemoryRegion.region(name)) is not registered")
    }
    return region
  }

  /// Copies an input out of its region, once: what the client writes there later changes nothing.
  func copy(_ tensor: SharedTensor, outOf region: SharedMemoryRegion) throws(InferenceError) -> SharedInputCopy {
    let byteCount = tensor.byteCount
    guard byteCount <= limits.maxCopiedBytes else {
      throw .resourceExhausted(
        "\(byteCount) bytes are to be copied out of shared memory; the limit is \(limits.maxCopiedBytes)")
    }
    let before = copiedBytes.wrappingAdd(byteCount, ordering: .relaxed).oldValue
    guard before <= limits.maxCopiedBytes - byteCount else {
      giveBack(byteCount)
      throw .resourceExhausted(
        "requests in hand hold \(before) bytes copied out of shared memory, and \(byteCount) more would be over the "
          + "limit of \(limits.maxCopiedBytes)")
    }
    let copy = SharedInputCopy(byteCount: byteCount, of: self)
    try region.read(from: tensor.offset, into: copy.room)
    return copy
  }

  fileprivate func giveBack(_ byteCount: Int) { copiedBytes.wrappingSubtract(byteCount, ordering: .relaxed) }
}

/// The bytes of one input, copied out of shared memory for one request.
///
/// `@unchecked Sendable`: written before anybody else sees it, and only read afterwards.
final class SharedInputCopy: @unchecked Sendable {
  fileprivate let room: UnsafeMutableRawBufferPointer
  private let regions: SharedMemoryRegions

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(room) }

  /// - Parameter regions: Where the bytes are counted already; given back with the memory.
  fileprivate init(byteCount: Int, of regions: SharedMemoryRegions) {
    // Aligned as backends like it.
    let start = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
    room = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
    self.regions = regions
  }

  deinit {
    room.deallocate()
    regions.giveBack(room.count)
  }
}
