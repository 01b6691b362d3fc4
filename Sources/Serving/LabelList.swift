/// The names of an output's classes, by index: the lines of a label file.
///
/// `@unchecked Sendable`: its memory is written in `init` and only read after it.
package final class LabelList: @unchecked Sendable {
  package let count: Int
  private let bytes: UnsafeMutableRawBufferPointer
  private let ends: UnsafeMutablePointer<Int>

  /// - Parameter file: One label a line. A carriage return before the end of a line is not part of the label, and an
  ///   empty line is a class without a name.
  package init(file: [UInt8]) {
    bytes = .allocate(byteCount: max(1, file.count), alignment: 1)
    var labelEnds: [Int] = []
    var used = 0
    var lineStart = 0
    for byte in file {
      guard byte == UInt8(ascii: "\n") else {
        bytes[used] = byte
        used += 1
        continue
      }
      if used > lineStart && bytes[used - 1] == UInt8(ascii: "\r") { used -= 1 }
      labelEnds.append(used)
      lineStart = used
    }
    if used > lineStart { labelEnds.append(used) }
    count = labelEnds.count
    ends = .allocate(capacity: max(1, labelEnds.count))
    for (index, end) in labelEnds.enumerated() { (ends + index).initialize(to: end) }
  }

  deinit {
    bytes.deallocate()
    ends.deallocate()
  }

  /// The label of a class, or nil where the file has none. Lives as long as the list.
  package subscript(index: Int) -> UnsafeRawBufferPointer? {
    guard index < count else { return nil }
    let start = index == 0 ? 0 : ends[index - 1]
    guard ends[index] > start else { return nil }
    return UnsafeRawBufferPointer(rebasing: bytes[start..<ends[index]])
  }
}
