package import Inference

/// Writes an answer as lists within lists, in the form of the question: for people and scripts rather than for clients
/// that know the protocol.
///
/// One output goes as its values. Several go as an object a row, where all have the same first axis, and else as an
/// object of lists.
package enum ScoreWriter {
  /// - Parameter form: Not `.openInference`, which has a writer of its own.
  package static func write(_ request: RequestPointer, _ form: AnswerForm) -> [UInt8] {
    let outputs = request.pointee.outputs
    var writer = JSONWriter(reserving: 64 + outputs.reduce(0) { $0 + $1.bytes.count * 3 })
    switch form {
    case .predictions: writer.raw("{\"predictions\":")
    case .outputs: writer.raw("{\"outputs\":")
    case .list, .openInference: break
    }
    if outputs.count == 1 {
      var cursor = TensorCursor(outputs[0])
      cursor.writeNested(to: &writer)
    } else if form != .outputs, let rows = commonRows(of: outputs) {
      writeRows(outputs, rows, to: &writer)
    } else {
      writeObject(of: outputs, to: &writer)
    }
    if form == .predictions || form == .outputs { writer.byte("}") }
    return writer.bytes
  }

  private static func commonRows(of outputs: UnsafeMutableBufferPointer<Tensor>) -> Int? {
    guard let first = outputs.first, first.shape.count > 0 else { return nil }
    let rows = first.shape[0]
    return outputs.allSatisfy { $0.shape.count > 0 && $0.shape[0] == rows } ? Int(rows) : nil
  }

  private static func writeRows(
    _ outputs: UnsafeMutableBufferPointer<Tensor>, _ rows: Int, to writer: inout JSONWriter
  ) {
    var cursors = outputs.map { TensorCursor($0) }
    writer.byte("[")
    for row in 0..<rows {
      if row > 0 { writer.byte(",") }
      writer.byte("{")
      for index in cursors.indices {
        if index > 0 { writer.byte(",") }
        writer.string(cursors[index].tensor.name)
        writer.byte(":")
        cursors[index].writeNested(fromAxis: 1, to: &writer)
      }
      writer.byte("}")
    }
    writer.byte("]")
  }

  private static func writeObject(
    of outputs: UnsafeMutableBufferPointer<Tensor>, to writer: inout JSONWriter
  ) {
    writer.byte("{")
    for index in outputs.indices {
      if index > 0 { writer.byte(",") }
      writer.string(outputs[index].name)
      writer.byte(":")
      var cursor = TensorCursor(outputs[index])
      cursor.writeNested(to: &writer)
    }
    writer.byte("}")
  }
}
