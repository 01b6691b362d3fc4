package import ApusClient

extension Tensor {
  /// Makes a tensor from JSON: nested lists, a flat list, or one value.
  ///
  /// - Parameters:
  ///   - metadata: What the model says of the input.
  ///   - shape: Nil: as the lists are nested, or as the input's own shape where the list is flat and fills it.
  /// - Throws: `UsageError` with the place of the element that does not suit.
  package init(_ json: JSONValue, as metadata: TensorMetadata, shape: [Int64]? = nil) throws(UsageError) {
    var elements: [JSONValue] = []
    let nested = try Tensor.flatten(json, into: &elements, at: metadata.name)
    let resolved = shape ?? Tensor.shape(nested, elements.count, metadata)
    let expected = try TensorShape.elementCount(resolved)
    guard expected == elements.count else {
      throw UsageError(
        "\(metadata.name): \(elements.count) elements; shape \(TensorShape.describe(resolved)) has \(expected)")
    }
    self = try ElementWriter(metadata.name, metadata.datatype).tensor(elements, resolved)
  }

  private static func shape(_ nested: [Int64], _ count: Int, _ metadata: TensorMetadata) -> [Int64] {
    if nested.count != metadata.shape.count, nested.count <= 1,
      let fitted = TensorShape.fit(count, into: metadata.shape)
    {
      return fitted
    }
    return nested
  }

  /// Appends the leaves in order and returns the shape of the nesting.
  private static func flatten(
    _ json: JSONValue, into elements: inout [JSONValue], at path: String
  ) throws(UsageError) -> [Int64] {
    guard case .array(let parts) = json else {
      if case .object = json { throw UsageError("\(path): expected a value or a list, found an object") }
      elements.append(json)
      return []
    }
    var inner: [Int64]?
    for (index, part) in parts.enumerated() {
      let shape = try flatten(part, into: &elements, at: "\(path)[\(index)]")
      if let inner, inner != shape {
        throw UsageError(
          "\(path)[\(index)] has shape \(TensorShape.describe(shape)); the ones before it have "
            + TensorShape.describe(inner))
      }
      inner = shape
    }
    return [Int64(parts.count)] + (inner ?? [])
  }
}

/// Turns JSON values into the elements of one tensor.
private struct ElementWriter {
  let name: String
  let datatype: Datatype

  init(_ name: String, _ datatype: Datatype) {
    self.name = name
    self.datatype = datatype
  }

  func tensor(_ elements: [JSONValue], _ shape: [Int64]) throws(UsageError) -> Tensor {
    switch datatype {
    case .bool: Tensor(name: name, try map(elements, bool), shape: shape)
    case .uint8: Tensor(name: name, try map(elements, integer) as [UInt8], shape: shape)
    case .uint16: Tensor(name: name, try map(elements, integer) as [UInt16], shape: shape)
    case .uint32: Tensor(name: name, try map(elements, integer) as [UInt32], shape: shape)
    case .uint64: Tensor(name: name, try map(elements, integer) as [UInt64], shape: shape)
    case .int8: Tensor(name: name, try map(elements, integer) as [Int8], shape: shape)
    case .int16: Tensor(name: name, try map(elements, integer) as [Int16], shape: shape)
    case .int32: Tensor(name: name, try map(elements, integer) as [Int32], shape: shape)
    case .int64: Tensor(name: name, try map(elements, integer) as [Int64], shape: shape)
    case .fp16: Tensor(name: name, try map(elements, half), shape: shape)
    case .fp32: Tensor(name: name, try map(elements, single), shape: shape)
    case .fp64: Tensor(name: name, try map(elements, double), shape: shape)
    case .bytes: Tensor(name: name, try map(elements, string), shape: shape)
    case .bf16: bfloat16(try map(elements, double), shape)
    }
  }

  private func map<Element>(
    _ values: [JSONValue], _ convert: (JSONValue) -> Element?
  ) throws(UsageError) -> [Element] {
    var elements: [Element] = []
    elements.reserveCapacity(values.count)
    for (index, value) in values.enumerated() {
      guard let element = convert(value) else { throw unsuitable(value, index) }
      elements.append(element)
    }
    return elements
  }

  private func unsuitable(_ value: JSONValue, _ index: Int) -> UsageError {
    let found = (try? value.text()) ?? value.kind
    return UsageError("\(name): element \(index) is \(found), which is no \(datatype.rawValue)")
  }

  private func bool(_ value: JSONValue) -> Bool? {
    switch value {
    case .bool(let value): value
    case .int(0): false
    case .int(1): true
    default: nil
    }
  }

  private func integer<Integer: FixedWidthInteger>(_ value: JSONValue) -> Integer? {
    switch value {
    case .int(let value): Integer(exactly: value)
    case .uint(let value): Integer(exactly: value)
    case .double(let value): Integer(exactly: value)
    default: nil
    }
  }

  private func double(_ value: JSONValue) -> Double? {
    switch value {
    case .int(let value): Double(value)
    case .uint(let value): Double(value)
    case .double(let value): value
    case .string("NaN"): .nan
    case .string("Infinity"): .infinity
    case .string("-Infinity"): -.infinity
    default: nil
    }
  }

  private func single(_ value: JSONValue) -> Float? {
    guard let wide = double(value) else { return nil }
    let narrow = Float(wide)
    return narrow.isInfinite && wide.isFinite ? nil : narrow
  }

  private func half(_ value: JSONValue) -> Float16? {
    guard let wide = double(value) else { return nil }
    let narrow = Float16(wide)
    return narrow.isInfinite && wide.isFinite ? nil : narrow
  }

  private func string(_ value: JSONValue) -> String? {
    if case .string(let value) = value { return value }
    return nil
  }

  /// The upper half of an FP32, rounded to nearest, ties to even.
  private func bfloat16(_ elements: [Double], _ shape: [Int64]) -> Tensor {
    let halves = elements.map { element -> UInt16 in
      let bits = Float(element).bitPattern
      if Float(element).isNaN { return 0x7fc0 }
      return UInt16(truncatingIfNeeded: (UInt64(bits) + 0x7fff + UInt64(bits >> 16 & 1)) >> 16)
    }
    var tensor = Tensor(name: name, halves, shape: shape)
    tensor.datatype = .bf16
    return tensor
  }
}
