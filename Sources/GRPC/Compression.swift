internal import CZlib

/// A message encoding of gRPC (compression.md) that this server knows.
package enum MessageEncoding: Sendable, Equatable {
  case identity, gzip, deflate

  /// By its name in `grpc-encoding`.
  package init?(name: UnsafeRawBufferPointer) {
    if name.elementsEqual("identity".utf8) {
      self = .identity
    } else if name.elementsEqual("gzip".utf8) {
      self = .gzip
    } else if name.elementsEqual("deflate".utf8) {
      self = .deflate
    } else {
      return nil
    }
  }

  package var name: StaticString {
    switch self {
    case .identity: "identity"
    case .gzip: "gzip"
    case .deflate: "deflate"
    }
  }

  /// Whether a `grpc-accept-encoding` list names it.
  package func isAccepted(by list: UnsafeRawBufferPointer) -> Bool {
    list.split(separator: UInt8(ascii: ",")).contains { item in
      item.drop { $0 == UInt8(ascii: " ") }.elementsEqual(
        UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    }
  }

  /// zlib's window size: 15, with 16 added for a gzip header (zlib.h, deflateInit2). gRPC's deflate is the zlib format.
  private var windowBits: Int32 { self == .gzip ? 31 : 15 }

  package enum DecompressionError: Error, Equatable {
    /// Not data of this encoding, or cut short.
    case corrupt
    /// More than the limit after decompression.
    case tooLarge
  }

  /// Decompresses a whole message, never holding more than `limit` bytes of it.
  package func decompress(_ bytes: UnsafeRawBufferPointer, limit: Int) throws(DecompressionError) -> [UInt8] {
    var stream = z_stream()
    guard inflateInit2_(&stream, windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      throw .corrupt
    }
    defer { inflateEnd(&stream) }
    stream.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    stream.avail_in = UInt32(clamping: bytes.count)
    var output: [UInt8] = []
    var capacity = min(max(4 * bytes.count, 1024), limit + 1)
    while true {
      let start = output.count
      var produced = 0
      var result = Z_OK
      output.append(contentsOf: repeatElement(0, count: capacity - start))
      output.withUnsafeMutableBufferPointer { output in
        stream.next_out = output.baseAddress?.advanced(by: start)
        stream.avail_out = UInt32(clamping: output.count - start)
        result = inflate(&stream, Z_NO_FLUSH)
        produced = output.count - start - Int(stream.avail_out)
      }
      output.removeLast(output.count - start - produced)
      if output.count > limit { throw .tooLarge }
      if result == Z_STREAM_END { return output }
      guard result == Z_OK, produced > 0 else { throw .corrupt }
      capacity = min(2 * capacity, limit + 1)
      if output.count == capacity { throw .tooLarge }
    }
  }

  /// Compresses a whole message at zlib's fastest level: a server's CPU is worth more than the last per cent.
  package func compress(_ parts: [UnsafeRawBufferPointer]) -> [UInt8]? {
    var stream = z_stream()
    let version = ZLIB_VERSION
    let size = Int32(MemoryLayout<z_stream>.size)
    guard deflateInit2_(&stream, Z_BEST_SPEED, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, version, size) == Z_OK
    else { return nil }
    defer { deflateEnd(&stream) }
    let total = parts.reduce(0) { $0 + $1.count }
    let bound = Int(deflateBound(&stream, UInt(total))) + 64
    return [UInt8](unsafeUninitializedCapacity: bound) { output, count in
      stream.next_out = output.baseAddress
      stream.avail_out = UInt32(clamping: output.count)
      for (index, part) in parts.enumerated() {
        stream.next_in = UnsafeMutablePointer(mutating: part.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.avail_in = UInt32(clamping: part.count)
        CZlib.deflate(&stream, index == parts.count - 1 ? Z_FINISH : Z_NO_FLUSH)
      }
      count = output.count - Int(stream.avail_out)
    }
  }
}
