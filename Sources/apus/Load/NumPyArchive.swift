internal import Foundation
internal import GRPC

/// Arrays by name as `numpy.savez` and `numpy.savez_compressed` save them (.npz): a ZIP of .npy files.
///
/// Reads stored and deflated entries by the central directory; no ZIP64, no encryption, one disk. Source: PKWARE,
/// "APPNOTE.TXT", sections 4.3.7, 4.3.12 and 4.3.16.
package struct NumPyArchive {
  package let arrays: [(name: String, array: NumPyFile)]

  /// Largest array that is unpacked.
  private static let mostBytes = 1 << 30

  /// - Throws: `UsageError` with what is not supported or wrong.
  package init(_ file: [UInt8], name: String) throws(UsageError) {
    let reader = ZipReader(bytes: file, name: name)
    var arrays: [(name: String, array: NumPyFile)] = []
    for entry in try reader.entries() {
      guard entry.name.hasSuffix(".npy") else { continue }
      let place = "\(name), \(entry.name)"
      let array = try NumPyFile(try NumPyArchive.unpack(entry, reader, place), name: place)
      arrays.append((String(entry.name.dropLast(4)), array))
    }
    guard !arrays.isEmpty else { throw UsageError("\(name) has no arrays") }
    self.arrays = arrays
  }

  private static func unpack(
    _ entry: ZipReader.Entry, _ reader: ZipReader, _ place: String
  ) throws(UsageError) -> [UInt8] {
    let content = try reader.content(entry)
    guard entry.size <= mostBytes else { throw UsageError("\(place) unpacks to \(entry.size) bytes; the limit is \(mostBytes)") }
    switch entry.method {
    case 0:
      guard content.count == entry.size else { throw UsageError("\(place) is cut short") }
      return Array(content)
    case 8:
      // A gzip member is a header, the same deflated bytes, their checksum and size (RFC 1952, section 2.3).
      var member: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255]
      member.append(contentsOf: content)
      for value in [entry.checksum, UInt32(truncatingIfNeeded: entry.size)] {
        for shift in [0, 8, 16, 24] { member.append(UInt8(truncatingIfNeeded: value >> UInt32(shift))) }
      }
      let unpacked = member.withUnsafeBytes { try? MessageEncoding.gzip.decompress($0, limit: entry.size) }
      guard let unpacked else { throw UsageError("\(place) can't be unpacked: its compressed bytes are damaged") }
      return unpacked
    default:
      throw UsageError("\(place) is compressed by method \(entry.method); expected 0 (stored) or 8 (deflated)")
    }
  }
}

/// The directory of a ZIP file, and where its entries lie. Every offset is checked: files come from anywhere.
private struct ZipReader {
  struct Entry {
    var name: String
    var method: Int
    var checksum: UInt32
    var packedSize: Int
    var size: Int
    var headerOffset: Int
  }

  let bytes: [UInt8]
  let name: String

  /// All entries of the central directory.
  func entries() throws(UsageError) -> [Entry] {
    let end = try endOfDirectory()
    let count = try number(end + 10, 2)
    var at = try number(end + 16, 4)
    var entries: [Entry] = []
    for _ in 0..<count {
      guard try number(at, 4) == 0x0201_4B50 else { throw damaged }
      guard try number(at + 8, 2) & 1 == 0 else { throw UsageError("\(name) is encrypted") }
      let (nameLength, extraLength, commentLength) =
        (try number(at + 28, 2), try number(at + 30, 2), try number(at + 32, 2))
      entries.append(
        Entry(
          name: String(decoding: try slice(at + 46, nameLength), as: UTF8.self), method: try number(at + 10, 2),
          checksum: UInt32(try number(at + 16, 4)), packedSize: try number(at + 20, 4), size: try number(at + 24, 4),
          headerOffset: try number(at + 42, 4)))
      at += 46 + nameLength + extraLength + commentLength
    }
    return entries
  }

  /// An entry's bytes as they are in the file. Its own header says where they begin; NumPy leaves the sizes there empty.
  func content(_ entry: Entry) throws(UsageError) -> ArraySlice<UInt8> {
    let at = entry.headerOffset
    guard entry.packedSize != 0xFFFF_FFFF, at != 0xFFFF_FFFF, entry.size != 0xFFFF_FFFF else {
      throw UsageError("\(name), \(entry.name): arrays of 4 GiB and more (ZIP64) can't be read")
    }
    guard try number(at, 4) == 0x0403_4B50 else { throw damaged }
    return try slice(at + 30 + (try number(at + 26, 2)) + (try number(at + 28, 2)), entry.packedSize)
  }

  /// The record at the file's end, behind which there may be a comment of up to 65,535 bytes.
  private func endOfDirectory() throws(UsageError) -> Int {
    let last = bytes.count - 22
    guard last >= 0 else { throw UsageError("\(name) is no .npz file") }
    for at in stride(from: last, through: max(0, last - 65_535), by: -1) where bytes[at] == 0x50 {
      if try number(at, 4) == 0x0605_4B50 { return at }
    }
    throw UsageError("\(name) is no .npz file")
  }

  private var damaged: UsageError { UsageError("\(name) is damaged: its directory leads nowhere") }

  private func slice(_ start: Int, _ count: Int) throws(UsageError) -> ArraySlice<UInt8> {
    guard start >= 0, count >= 0, start <= bytes.count - count else { throw damaged }
    return bytes[start..<(start + count)]
  }

  private func number(_ start: Int, _ count: Int) throws(UsageError) -> Int {
    try slice(start, count).reversed().reduce(0) { $0 << 8 | Int($1) }
  }
}
