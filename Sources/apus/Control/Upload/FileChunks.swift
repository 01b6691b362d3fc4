internal import Foundation
internal import NIOCore

/// A part of a file as pieces that are read when they are wanted: whoever sends them sets the pace, and holds one at a time.
struct FileChunks: AsyncSequence, Sendable {
  typealias Element = ByteBuffer

  let path: String
  let offset: Int64
  let count: Int64
  /// Told of each piece when it is handed out.
  let progress: @Sendable (Int64) -> Void

  func makeAsyncIterator() -> Iterator { Iterator(chunks: self) }

  struct Iterator: AsyncIteratorProtocol {
    private let chunks: FileChunks
    private var file: FileHandle?
    private var left: Int64

    init(chunks: FileChunks) {
      self.chunks = chunks
      left = chunks.count
    }

    mutating func next() async throws -> ByteBuffer? {
      guard left > 0 else { return nil }
      if file == nil {
        file = FileHandle(forReadingAtPath: chunks.path)
        try file?.seek(toOffset: UInt64(chunks.offset))
      }
      let piece = try file?.read(upToCount: Int(Swift.min(left, Int64(LocalTree.pieceBytes))))
      guard let piece, !piece.isEmpty else { throw UsageError("\(chunks.path) has become shorter while it was sent") }
      left -= Int64(piece.count)
      chunks.progress(Int64(piece.count))
      return ByteBuffer(bytes: piece)
    }
  }
}
