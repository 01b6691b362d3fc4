package import ApusClient

extension InferResponse {
  /// The answer for people: each output by name, datatype and shape, and its values, long ones cut in the middle.
  ///
  /// - Parameter most: How many values of one list are shown before the middle is left out.
  package func readable(most: Int = 12) -> String {
    var lines = ["model \(model), version \(version)\(id.isEmpty ? "" : ", id \(id)")"]
    for output in outputs {
      lines.append("\(output.name)  \(output.datatype.rawValue) \(TensorShape.describe(output.shape))")
      lines.append("  " + output.readable(most: most))
    }
    return lines.joined(separator: "\n")
  }
}

extension Tensor {
  func readable(most: Int) -> String {
    let values = jsonElements
    guard values.count == elementCount else { return "\(bytes.count) bytes, which do not fill that shape" }
    return nested(values[...], shape[...], most)
  }

  private func nested(_ values: ArraySlice<JSONValue>, _ shape: ArraySlice<Int64>, _ most: Int) -> String {
    guard let length = shape.first.map(Int.init) else { return values.first.map(text) ?? "" }
    let size = length == 0 ? 0 : values.count / length
    func part(_ index: Int) -> String {
      let start = values.startIndex + index * size
      return nested(values[start..<(start + size)], shape.dropFirst(), most)
    }
    // Rows of rows are cut earlier than values: each takes a list's room itself.
    let shown = shape.count > 1 ? max(most / 3, 2) : most
    if length <= shown { return "[\((0..<length).map(part).joined(separator: ", "))]" }
    let head = (0..<(shown - shown / 2)).map(part)
    let tail = ((length - shown / 2)..<length).map(part)
    let left = length - shown
    return "[\((head + ["… \(left) more …"] + tail).joined(separator: ", "))]"
  }

  private func text(_ value: JSONValue) -> String {
    switch value {
    case .float(let value): "\(value)"
    case .double(let value): "\(value)"
    default: (try? value.text()) ?? value.kind
    }
  }
}
