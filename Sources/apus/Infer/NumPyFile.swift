package import ApusClient

/// An array as NumPy saves it (.npy): a header in Python's notation, and the elements.
///
/// Reads versions 1 to 3, little-endian, C order. Source: NumPy, "numpy.lib.format".
package struct NumPyFile {
  package let datatype: Datatype
  package let shape: [Int64]
  package let bytes: [UInt8]

  /// - Throws: `UsageError` with what is not supported or wrong.
  package init(_ file: [UInt8], name: String) throws(UsageError) {
    guard file.starts(with: [0x93] + Array("NUMPY".utf8)), file.count >= 12 else {
      throw UsageError("\(name) is not a .npy file")
    }
    let version = file[6]
    guard (1...3).contains(version) else { throw UsageError("\(name): .npy version \(version) is not known") }
    let lengthBytes = version == 1 ? 2 : 4
    let start = 8 + lengthBytes
    let headerCount = file[8..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
    guard start + headerCount <= file.count else { throw UsageError("\(name) is cut short in its header") }
    let header = String(decoding: file[start..<(start + headerCount)], as: UTF8.self)

    guard let descriptor = NumPyFile.text(after: "'descr':", in: header),
      let order = NumPyFile.word(after: "'fortran_order':", in: header),
      let shape = NumPyFile.tuple(after: "'shape':", in: header)
    else { throw UsageError("\(name): the header lacks descr, fortran_order or shape: \(header)") }
    guard let datatype = NumPyFile.datatypes[descriptor] else {
      throw UsageError(
        "\(name) holds '\(descriptor)'; expected one of \(NumPyFile.datatypes.keys.sorted().joined(separator: ", "))")
    }
    guard order == "False" || shape.count < 2 else {
      throw UsageError("\(name) is in Fortran order; save numpy.ascontiguousarray(...)")
    }
    bytes = Array(file[(start + headerCount)...])
    let expected = try TensorShape.byteCount(shape, of: datatype)
    guard bytes.count == expected else {
      throw UsageError(
        "\(name): shape \(TensorShape.describe(shape)) of \(datatype.rawValue) takes \(expected) bytes, found "
          + "\(bytes.count)")
    }
    self.datatype = datatype
    self.shape = shape
  }

  private static let datatypes: [String: Datatype] = [
    "|b1": .bool, "|u1": .uint8, "|i1": .int8, "<u2": .uint16, "<u4": .uint32, "<u8": .uint64, "<i2": .int16,
    "<i4": .int32, "<i8": .int64, "<f2": .fp16, "<f4": .fp32, "<f8": .fp64,
  ]

  // MARK: The header, such as {'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }

  private static func rest(after key: String, in header: String) -> Substring? {
    guard let range = header.firstRange(of: key) else { return nil }
    return header[range.upperBound...].drop { $0 == " " }
  }

  private static func text(after key: String, in header: String) -> String? {
    guard let rest = rest(after: key, in: header), rest.first == "'" else { return nil }
    return String(rest.dropFirst().prefix { $0 != "'" })
  }

  private static func word(after key: String, in header: String) -> String? {
    rest(after: key, in: header).map { String($0.prefix { $0.isLetter }) }
  }

  private static func tuple(after key: String, in header: String) -> [Int64]? {
    guard let rest = rest(after: key, in: header), rest.first == "(", let end = rest.firstIndex(of: ")") else {
      return nil
    }
    var lengths: [Int64] = []
    for part in rest[rest.index(after: rest.startIndex)..<end].split(separator: ",") {
      let part = part.filter { $0 != " " }
      if part.isEmpty { continue }  // (3, ) has one
      guard let length = Int64(part), length >= 0 else { return nil }
      lengths.append(length)
    }
    return lengths
  }
}
