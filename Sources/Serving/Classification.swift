package import Inference

/// Turns an output tensor into its best classes: the classification extension of the Open Inference Protocol.
///
/// Each row becomes its `classCount` highest values, highest first, as BYTES elements `value:index` or
/// `value:index:label`. Equal values keep the order of their indices, and a NaN is lower than any number. The new
/// shape is `[rows, k]` where the model batches, else `[k]` over the whole tensor; `k` is never more than there are
/// values. (Triton, "Classification Extension".)
package enum Classification {
  /// Whether values of this datatype can be put in order.
  package static func supports(_ datatype: Datatype) -> Bool { datatype != .bytes && datatype != .bool }

  /// Replaces `output` by its classes, in the arena, and releases what the tensor owned.
  ///
  /// - Parameters:
  ///   - classCount: How many classes a row gets; at least 1.
  ///   - isBatched: Whether axis 0 is the batch axis.
  /// - Throws: `.invalidArgument` for BOOL and BYTES; `.resourceExhausted` if the arena is at its limit. The tensor is
  ///   as it was.
  package static func apply(
    to output: inout Tensor, classCount: Int, isBatched: Bool, labels: LabelList?,
    arena: UnsafeMutablePointer<Arena>
  ) throws(InferenceError) {
    let bytes = output.bytes
    switch output.datatype {
    case .uint8: try apply(UInt8.self, bytes, &output, classCount, isBatched, labels, arena)
    case .uint16: try apply(UInt16.self, bytes, &output, classCount, isBatched, labels, arena)
    case .uint32: try apply(UInt32.self, bytes, &output, classCount, isBatched, labels, arena)
    case .uint64: try apply(UInt64.self, bytes, &output, classCount, isBatched, labels, arena)
    case .int8: try apply(Int8.self, bytes, &output, classCount, isBatched, labels, arena)
    case .int16: try apply(Int16.self, bytes, &output, classCount, isBatched, labels, arena)
    case .int32: try apply(Int32.self, bytes, &output, classCount, isBatched, labels, arena)
    case .int64: try apply(Int64.self, bytes, &output, classCount, isBatched, labels, arena)
    case .fp16: try apply(HalfScore.self, bytes, &output, classCount, isBatched, labels, arena)
    case .bf16: try apply(BrainScore.self, bytes, &output, classCount, isBatched, labels, arena)
    case .fp32: try apply(Float.self, bytes, &output, classCount, isBatched, labels, arena)
    case .fp64: try apply(Double.self, bytes, &output, classCount, isBatched, labels, arena)
    case .bool, .bytes:
      throw .invalidArgument(
        "classification was requested of output '\(String(decoding: output.name, as: UTF8.self))', whose datatype is "
          + "\(output.datatype): expected a number datatype")
    }
  }

  private static func apply<Score: ClassScore>(
    _: Score.Type, _ bytes: UnsafeRawBufferPointer, _ output: inout Tensor, _ classCount: Int, _ isBatched: Bool,
    _ labels: LabelList?, _ arena: UnsafeMutablePointer<Arena>
  ) throws(InferenceError) {
    let valueCount = bytes.count / MemoryLayout<Score>.size
    let hasRows = isBatched && output.shape.count > 0
    let rows = hasRows ? Int(output.shape[0]) : 1
    let width = rows == 0 ? 0 : valueCount / rows
    let kept = min(classCount, width)
    guard let chosen = arena.pointee.allocate(Int.self, count: max(1, rows * kept)),
      let shape = arena.pointee.allocate(Int64.self, count: 2)
    else { throw memoryIsSpent(arena) }

    var byteCount = 0
    for row in 0..<rows {
      let values = ScoreRow<Score>(bytes: bytes, start: row * width, count: width)
      let indices = UnsafeMutableBufferPointer(start: chosen + row * kept, count: kept)
      values.selectHighest(into: indices)
      for index in indices { byteCount += 4 + values.textLength(index, labels) }
    }
    guard let text = arena.pointee.allocate(byteCount: byteCount) else { throw memoryIsSpent(arena) }
    var end = text
    for row in 0..<rows {
      let values = ScoreRow<Score>(bytes: bytes, start: row * width, count: width)
      for position in 0..<kept { end = values.writeElement(chosen[row * kept + position], labels, to: end) }
    }

    shape[0] = hasRows ? Int64(rows) : Int64(kept)
    shape[1] = Int64(kept)
    output.owner?.release()  // The values are read; the text lies in the arena.
    output.owner = nil
    output.datatype = .bytes
    output.bytes = UnsafeRawBufferPointer(start: text, count: byteCount)
    output.shape = UnsafeBufferPointer(start: shape, count: hasRows ? 2 : 1)
  }

  private static func memoryIsSpent(_ arena: UnsafeMutablePointer<Arena>) -> InferenceError {
    .resourceExhausted(
      "the classes of an output need more memory than a call may use: the limit is \(arena.pointee.limitBytes) bytes")
  }
}

/// The values of one row of an output.
private struct ScoreRow<Score: ClassScore> {
  let bytes: UnsafeRawBufferPointer
  let start: Int
  let count: Int

  subscript(index: Int) -> Score {
    bytes.loadUnaligned(fromByteOffset: (start + index) * MemoryLayout<Score>.size, as: Score.self)
  }

  /// Whether `left` comes before `right` in the answer.
  func isHigher(_ left: Int, _ right: Int) -> Bool {
    let (leftScore, rightScore) = (self[left], self[right])
    if leftScore.isHigher(than: rightScore) { return true }
    if rightScore.isHigher(than: leftScore) { return false }
    return left < right
  }

  /// Fills `best` with the indices of the highest values, highest first: a heap whose root is the lowest one kept, so
  /// the cost is `count` × log `best.count` whatever a client asks for.
  func selectHighest(into best: UnsafeMutableBufferPointer<Int>) {
    guard best.count > 0 else { return }
    for index in 0..<best.count { best[index] = index }
    for parent in stride(from: best.count / 2 - 1, through: 0, by: -1) { sink(parent, in: best, count: best.count) }
    for index in best.count..<count where isHigher(index, best[0]) {
      best[0] = index
      sink(0, in: best, count: best.count)
    }
    for last in stride(from: best.count - 1, to: 0, by: -1) {
      best.swapAt(0, last)
      sink(0, in: best, count: last)
    }
  }

  private func sink(_ start: Int, in heap: UnsafeMutableBufferPointer<Int>, count: Int) {
    var parent = start
    while true {
      var lowest = parent
      let left = 2 * parent + 1
      if left < count && isHigher(heap[lowest], heap[left]) { lowest = left }
      if left + 1 < count && isHigher(heap[lowest], heap[left + 1]) { lowest = left + 1 }
      if lowest == parent { return }
      heap.swapAt(parent, lowest)
      parent = lowest
    }
  }

  func textLength(_ index: Int, _ labels: LabelList?) -> Int {
    var length = self[index].withText { $0.count } + 1 + NumberText.length(UInt64(index))
    if let label = labels?[index] { length += 1 + label.count }
    return length
  }

  /// Writes the element with its length before it; returns where the next one goes.
  func writeElement(
    _ index: Int, _ labels: LabelList?, to start: UnsafeMutableRawPointer
  ) -> UnsafeMutableRawPointer {
    start.storeBytes(of: UInt32(textLength(index, labels)).littleEndian, as: UInt32.self)
    var end = start + 4
    func append(_ part: UnsafeRawBufferPointer) {
      if let base = part.baseAddress { end.copyMemory(from: base, byteCount: part.count) }
      end += part.count
    }
    func appendColon() {
      end.storeBytes(of: UInt8(ascii: ":"), as: UInt8.self)
      end += 1
    }
    self[index].withText(append)
    appendColon()
    NumberText.withText(UInt64(index), isNegative: false, append)
    if let label = labels?[index] {
      appendColon()
      append(label)
    }
    return end
  }
}
