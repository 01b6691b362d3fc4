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
    let known = axes.filter { $0 >= 0 }.reduce(1) { $0 * Int($1) }
    guard let axis = open.first else { return known == count ? axes : nil }
    guard open.count == 1, known > 0, count % known == 0 else { return nil }
    var shape = axes
    shape[axis] = Int64(count / known)
    return shape
  }

  /// `[1, 2048]`; an open axis as `-1`, as metadata has it.
  package static func describe(_ shape: [Int64]) -> String { "[\(shape.map { "\($0)" }.joined(separator: ", "))]" }

  package static func elementCount(_ shape: [Int64]) -> Int { shape.reduce(1) { $0 * Int($1) } }
}
