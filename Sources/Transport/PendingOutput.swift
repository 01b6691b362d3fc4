package import Glibc
package import HTTP2

/// Bytes that a socket did not take yet, in order. Belongs to its connection; empty most of the time.
package struct PendingOutput: ~Copyable {
  private var pieces: [OutputBuffer.Piece] = []
  private var first = 0
  private var offset = 0
  package private(set) var byteCount = 0

  package var isEmpty: Bool { byteCount == 0 }

  package init() {}

  deinit { for piece in pieces[first...] { piece.owner?.release() } }

  /// Takes over what is left of `buffer` after its first `written` bytes, and leaves it empty. Bytes without an owner are
  /// copied: they lie in the buffer, or in a call that may end before they are sent.
  package mutating func take(from buffer: OutputBuffer, after written: Int) {
    var skip = written
    for piece in buffer.pieces {
      guard skip < piece.bytes.count else {
        skip -= piece.bytes.count
        piece.owner?.release()
        continue
      }
      let rest = UnsafeRawBufferPointer(rebasing: piece.bytes[skip...])
      skip = 0
      byteCount += rest.count
      if let owner = piece.owner {
        pieces.append(.init(bytes: rest, owner: owner))
      } else {
        let copy = OwnedBytes(copying: rest)
        pieces.append(.init(bytes: copy.bytes, owner: .passRetained(copy)))
      }
    }
    buffer.forget()
  }

  /// The next bytes as `iovec`s; returns how many were filled in.
  package func fill(_ vectors: UnsafeMutableBufferPointer<iovec>) -> Int {
    var count = 0
    for index in first..<pieces.count where count < vectors.count {
      let skip = index == first ? offset : 0
      vectors[count] = iovec(
        iov_base: UnsafeMutableRawPointer(mutating: pieces[index].bytes.baseAddress?.advanced(by: skip)),
        iov_len: pieces[index].bytes.count - skip)
      count += 1
    }
    return count
  }

  /// Forgets the first `count` bytes: they are written.
  package mutating func drop(_ count: Int) {
    var left = count
    byteCount -= count
    while left > 0 {
      let available = pieces[first].bytes.count - offset
      if left < available {
        offset += left
        return
      }
      left -= available
      pieces[first].owner?.release()
      first += 1
      offset = 0
    }
    if first == pieces.count {
      pieces.removeAll(keepingCapacity: false)
      first = 0
    }
  }
}

/// A copy of some bytes that lives as long as it is retained.
private final class OwnedBytes {
  let bytes: UnsafeRawBufferPointer

  init(copying source: UnsafeRawBufferPointer) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 16)
    copy.copyMemory(from: source)
    bytes = UnsafeRawBufferPointer(copy)
  }

  deinit { bytes.deallocate() }
}
