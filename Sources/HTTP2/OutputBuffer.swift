/// What one flush of a connection writes: small bytes copied into one block, large ones by reference.
///
/// One an event loop, used for each connection in turn: filled by `HTTP2Session.collectOutput`, written with one
/// `writev`, and reset. What the socket does not take is moved to the connection (`PendingOutput`).
package final class OutputBuffer {
  package struct Piece {
    package var bytes: UnsafeRawBufferPointer
    /// Released when the piece is written or dropped.
    package var owner: Unmanaged<AnyObject>?

    package init(bytes: UnsafeRawBufferPointer, owner: Unmanaged<AnyObject>?) {
      self.bytes = bytes
      self.owner = owner
    }
  }

  /// Bytes up to here are copied rather than given an `iovec` of their own.
  package static let copyLimit = 2048

  private let storage: UnsafeMutableRawPointer
  private let capacity: Int
  private let pieceStorage: UnsafeMutablePointer<Piece>
  private let pieceCapacity: Int
  private let fill: UnsafeMutablePointer<Fill>

  /// Behind a pointer, because Swift checks each access to a class's own variables for overlaps.
  private struct Fill {
    var usedBytes = 0
    var pieceCount = 0
    var byteCount = 0
  }

  package var pieceCount: Int { fill.pointee.pieceCount }
  package var byteCount: Int { fill.pointee.byteCount }

  package init(capacity: Int = 256 * 1024, pieceCapacity: Int = 512) {
    self.capacity = capacity
    self.pieceCapacity = pieceCapacity
    storage = .allocate(byteCount: capacity, alignment: 16)
    pieceStorage = .allocate(capacity: pieceCapacity)
    fill = .allocate(capacity: 1)
    fill.initialize(to: Fill())
  }

  deinit {
    reset()
    storage.deallocate()
    pieceStorage.deallocate()
    fill.deallocate()
  }

  package var isEmpty: Bool { pieceCount == 0 }
  package var pieces: UnsafeBufferPointer<Piece> { UnsafeBufferPointer(start: pieceStorage, count: pieceCount) }

  /// Whether there is enough in it, or may be no room for a further frame. A frame is at most 16 KiB: all of it copied, or
  /// at most eight references with copies between.
  ///
  /// Also a large body by reference fills it: what the socket does not take of it goes before every answer that is
  /// made later.
  package var isFull: Bool {
    fill.pointee.byteCount >= capacity || capacity - fill.pointee.usedBytes < 20 * 1024
      || pieceCapacity - pieceCount < 20
  }

  package func append(copying bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    precondition(bytes.count <= capacity - fill.pointee.usedBytes, "isFull is asked before. This is a bug.")
    let start = storage + fill.pointee.usedBytes
    start.copyMemory(from: source, byteCount: bytes.count)
    fill.pointee.usedBytes += bytes.count
    fill.pointee.byteCount += bytes.count
    // Behind the last copied bytes: one piece.
    if pieceCount > 0, let last = pieceStorage[pieceCount - 1].bytes.baseAddress,
      last + pieceStorage[pieceCount - 1].bytes.count == UnsafeRawPointer(start)
    {
      pieceStorage[pieceCount - 1].bytes = UnsafeRawBufferPointer(
        start: last, count: pieceStorage[pieceCount - 1].bytes.count + bytes.count)
      return
    }
    push(Piece(bytes: UnsafeRawBufferPointer(start: start, count: bytes.count), owner: nil))
  }

  /// - Parameter owner: Retained once for the buffer.
  package func append(referencing bytes: UnsafeRawBufferPointer, owner: Unmanaged<AnyObject>?) {
    fill.pointee.byteCount += bytes.count
    push(Piece(bytes: bytes, owner: owner))
  }

  /// Releases what the pieces own and forgets them.
  package func reset() {
    for index in 0..<pieceCount { pieceStorage[index].owner?.release() }
    forget()
  }

  /// Forgets the pieces without releasing: their owners moved elsewhere.
  package func forget() {
    fill.pointee = Fill()
  }

  private func push(_ piece: Piece) {
    precondition(pieceCount < pieceCapacity, "isFull is asked before. This is a bug.")
    (pieceStorage + pieceCount).initialize(to: piece)
    fill.pointee.pieceCount += 1
  }
}
