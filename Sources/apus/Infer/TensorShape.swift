package import ApusClient

/// Shapes as people write them and as models state them.
package enum TensorShape {
  /// `2,3` as [2, 3]; empty text is a scalar. Nil if it is no list of lengths.
  package static func parse(_ text: String) -> [Int64]? {
    if text.isEmpty { return [] }
    var shape: [Int64] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let length = Int64(part), length >= 0 else { return nil }
      shape.append(length)
    }
    return shape
  }

  /// The shape that `count` elements have as this input: its one open axis takes what is left. Nil if it has several,
  /// or if the elements do not fill it.
  package static func fit(_ count: Int, into axes: [Int64]) -> [Int64]? {
    let open = axes.indices.filter { axes[$0] < 0 }
    guard let known = product(axes.filter { $0 >= 0 }) else { return nil }
    guard let axis = open.first else { return known == count ? axes : nil }
    guard open.count == 1, known > 0, count % known == 0 else { return nil }
    var shape = axes
    shape[axis] = Int64(count / known)
    return shape
  }

  /// `[1, 2048]`; an open axis as `-1`, as metadata has it.
  package static func describe(_ shape: [Int64]) -> String { "[\(shape.map { "\($0)" }.joined(separator: ", "))]" }

  /// - Throws: `UsageError` for a shape with more elements than can be counted, let alone sent.
  package static func elementCount(_ shape: [Int64]) throws(UsageError) -> Int {
    guard let count = product(shape) else { throw tooLarge(shape) }
    return count
  }

  /// What the elements take as raw bytes. BYTES elements have no size of their own: each counts as one byte.
  ///
  /// - Throws: As `elementCount`.
  package static func byteCount(_ shape: [Int64], of datatype: Datatype) throws(UsageError) -> Int {
    let (bytes, overflow) = try elementCount(shape).multipliedReportingOverflow(by: datatype.byteSize ?? 1)
    guard !overflow else { throw tooLarge(shape) }
    return bytes
  }

  /// Nil if it does not fit an `Int`.
  private static func product(_ lengths: [Int64]) -> Int? {
    if lengths.contains(0) { return 0 }
    var product = 1
    for length in lengths {
      let (next, overflow) = product.multipliedReportingOverflow(by: Int(length))
      guard !overflow else { return nil }
      product = next
    }
    return product
  }

  private static func tooLarge(_ shape: [Int64]) -> UsageError {
    UsageError("shape \(describe(shape)) is too large: its size in bytes does not fit 64 bits")
  }
}
