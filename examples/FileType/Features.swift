/// The first and last bytes of a file as magika's model takes them: 2,048 numbers, where 256 stands for "no byte".
///
/// ```
/// [ first 1,024 bytes, padded at the end | last 1,024 bytes, padded at the front ]
/// ```
/// White space at the outer ends is left out first, but only within the first and the last 4,096 bytes. Source: magika
/// 1.0.3, standard_v3_3/config.min.json, and `_extract_features_from_seekable` in magika.py.
package enum Features {
  static let sideCount = 1024
  static let blockCount = 4096
  static let padding: Int32 = 256
  /// Fewer bytes than this tell the model nothing.
  static let fewestBytes = 8

  /// Nil if too few bytes are left to tell what they are.
  package static func extract(_ file: [UInt8]) -> [Int32]? {
    let block = min(blockCount, file.count)
    let first = file.prefix(block).drop(while: isSpace).prefix(sideCount)
    guard first.count >= fewestBytes else { return nil }
    var ending = file.suffix(block)
    while let byte = ending.last, isSpace(byte) { ending.removeLast() }
    let last = ending.suffix(sideCount)
    return first.map(Int32.init) + Array(repeating: padding, count: sideCount - first.count)
      + Array(repeating: padding, count: sideCount - last.count) + last.map(Int32.init)
  }

  /// ASCII's white space, as Python's `bytes.strip` has it: tab to carriage return, and space.
  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
}
