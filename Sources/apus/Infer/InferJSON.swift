package import ApusClient

// Requests and answers in the Open Inference Protocol's REST form, as JSON.

extension InferRequest {
  /// - Parameters:
  ///   - model: The name, which the REST form has in its path.
  ///   - source: Where the text is from, for errors.
  /// - Throws: `UsageError` with the field that is missing or wrong.
  package init(json: JSONValue, model: String, from source: String) throws(UsageError) {
    let root = JSONReader(json, at: source)
    self.init(model: model, inputs: [])
    id = try root.optionalString("id") ?? ""
    parameters = try root.parameters()
    for input in try root.list("inputs") {
      let unsupported = ["binary_data_size", "shared_memory_region"]
      if let name = unsupported.first(where: { input.member("parameters")?.member($0) != nil }) {
        throw UsageError("\(input.path).parameters.\(name) is not supported; give the elements as data")
      }
      let name = try input.string("name")
      let token = try input.string("datatype")
      guard let datatype = Datatype(rawValue: token) else {
        let known = Datatype.allCases.map(\.rawValue).joined(separator: ", ")
        throw UsageError("\(input.path).datatype is '\(token)'; expected one of \(known)")
      }
      let shape = try input.integers("shape")
      let metadata = TensorMetadata(name: name, datatype: datatype, shape: shape)
      inputs.append(try Tensor(try input.required("data").value, as: metadata, shape: shape))
    }
    for output in try root.optionalList("outputs") {
      let classes = output.member("parameters")?.member("classification")?.value
      guard let classes else {
        outputs.append(Output(name: try output.string("name")))
        continue
      }
      guard case .int(let count) = classes, count > 0 else {
        throw UsageError("\(output.path).parameters.classification: expected a whole number over 0")
      }
      outputs.append(Output(name: try output.string("name"), classCount: Int(count)))
    }
  }
}

extension InferResponse {
  /// The answer as the protocol's REST door gives it.
  package var json: JSONValue {
    var object: [String: JSONValue] = [
      "model_name": .string(model), "model_version": .string(version),
      "outputs": .array(
        outputs.map { output in
          var object: [String: JSONValue] = [
            "name": .string(output.name), "datatype": .string(output.datatype.rawValue),
            "shape": .array(output.shape.map { .int($0) }), "data": .array(output.jsonElements),
          ]
          if !output.parameters.isEmpty { object["parameters"] = .object(output.parameters.mapValues(\.json)) }
          return .object(object)
        }),
    ]
    if !id.isEmpty { object["id"] = .string(id) }
    if !parameters.isEmpty { object["parameters"] = .object(parameters.mapValues(\.json)) }
    return .object(object)
  }
}

extension Tensor {
  /// The elements in order. Bytes that are no UTF-8 are `{"b64": …}`, as TensorFlow Serving writes them.
  package var jsonElements: [JSONValue] {
    switch datatype {
    case .bool: bools?.map { .bool($0) } ?? []
    case .uint8: integers(UInt8.self)
    case .uint16: integers(UInt16.self)
    case .uint32: integers(UInt32.self)
    case .uint64: elements(as: UInt64.self)?.map { .uint($0) } ?? []
    case .int8: integers(Int8.self)
    case .int16: integers(Int16.self)
    case .int32: integers(Int32.self)
    case .int64: integers(Int64.self)
    case .fp16: elements(as: Float16.self)?.map { .float(Float($0)) } ?? []
    case .fp32: elements(as: Float.self)?.map { .float($0) } ?? []
    case .fp64: elements(as: Double.self)?.map { .double($0) } ?? []
    case .bf16: bfloat16Elements.map { .float($0) }
    case .bytes:
      byteStrings?.map { bytes in
        if let text = String(validating: bytes, as: UTF8.self) { return .string(text) }
        return .object(["b64": .string(base64(bytes))])
      } ?? []
    }
  }

  private func integers<Integer: TensorElement & FixedWidthInteger>(_ type: Integer.Type) -> [JSONValue] {
    elements(as: type)?.map { .int(Int64($0)) } ?? []
  }

  /// BF16 is the upper half of an FP32.
  private var bfloat16Elements: [Float] {
    var halves = self
    halves.datatype = .uint16
    return halves.elements(as: UInt16.self)?.map { Float(bitPattern: UInt32($0) << 16) } ?? []
  }
}

extension Parameter {
  fileprivate var json: JSONValue {
    switch self {
    case .bool(let value): .bool(value)
    case .int64(let value): .int(value)
    case .uint64(let value): .uint(value)
    case .double(let value): .double(value)
    case .string(let value): .string(value)
    }
  }
}
