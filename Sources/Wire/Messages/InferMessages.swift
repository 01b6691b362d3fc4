internal import CProtobufC
internal import CProtos
package import Inference

/// A tensor with its bytes, in or out.
package struct InferTensor: Hashable, Sendable {
  package var name: String
  package var datatype: Datatype
  package var shape: [Int64]
  package var parameters: [String: InferParameter] = [:]
  /// Raw: little-endian, row-major; each element of BYTES is behind its length in four bytes.
  package var bytes: [UInt8]

  package init(name: String, datatype: Datatype, shape: [Int64], bytes: [UInt8]) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
    self.bytes = bytes
  }
}

/// An output that a request names.
package struct InferRequestedOutput: Hashable, Sendable {
  package var name: String
  package var parameters: [String: InferParameter] = [:]

  package init(name: String) { self.name = name }
}

/// An inference request as a client makes it.
package struct ModelInferRequest: CMessage, Hashable {
  package var modelName: String
  package var modelVersion = ""
  package var id = ""
  package var parameters: [String: InferParameter] = [:]
  package var inputs: [InferTensor] = []
  /// Empty: every output of the model.
  package var outputs: [InferRequestedOutput] = []

  package init(modelName: String) { self.modelName = modelName }

  static var initialize: (UnsafeMutablePointer<Inference__ModelInferRequest>?) -> Void {
    inference__model_infer_request__init
  }

  init(_ c: Inference__ModelInferRequest) throws(InferenceError) {
    modelName = string(c.model_name)
    modelVersion = string(c.model_version)
    id = string(c.id)
    parameters = inferParameters(c.parameters, c.n_parameters) { ($0.key, $0.value) }
    let raw = array(c.raw_input_contents, c.n_raw_input_contents)
    for (index, element) in array(c.inputs, c.n_inputs).enumerated() {
      let input = element!.pointee
      var tensor = InferTensor(
        name: string(input.name), datatype: try Wire.datatype(input.datatype, of: "inputs[\(index)]"),
        shape: array(input.shape, input.n_shape),
        bytes: try tensorBytes(
          raw, index, input.contents, "input", input.name, input.datatype))
      tensor.parameters = inferParameters(input.parameters, input.n_parameters) { ($0.key, $0.value) }
      inputs.append(tensor)
    }
    for element in array(c.outputs, c.n_outputs) {
      var output = InferRequestedOutput(name: string(element!.pointee.name))
      output.parameters = inferParameters(element!.pointee.parameters, element!.pointee.n_parameters) {
        ($0.key, $0.value)
      }
      outputs.append(output)
    }
  }

  func fill(_ c: inout Inference__ModelInferRequest, _ builder: MessageBuilder) {
    c.model_name = builder.string(modelName)
    c.model_version = builder.string(modelVersion)
    c.id = builder.string(id)
    c.n_parameters = parameters.count
    c.parameters = builder.entries(parameters, inference__model_infer_request__parameters_entry__init) {
      ($0.key, $0.value) = ($1, $2.c(builder))
    }
    c.n_inputs = inputs.count
    c.inputs = builder.scalars(
      inputs.map { tensor in
        let input = builder.make(inference__model_infer_request__infer_input_tensor__init)
        input.pointee.name = builder.string(tensor.name)
        input.pointee.datatype = builder.string(tensor.datatype.description)
        input.pointee.n_shape = tensor.shape.count
        input.pointee.shape = builder.scalars(tensor.shape)
        input.pointee.n_parameters = tensor.parameters.count
        input.pointee.parameters = builder.entries(
          tensor.parameters, inference__model_infer_request__infer_input_tensor__parameters_entry__init
        ) { ($0.key, $0.value) = ($1, $2.c(builder)) }
        return Optional(input)
      })
    c.n_outputs = outputs.count
    c.outputs = builder.scalars(
      outputs.map { requested in
        let output = builder.make(inference__model_infer_request__infer_requested_output_tensor__init)
        output.pointee.name = builder.string(requested.name)
        output.pointee.n_parameters = requested.parameters.count
        output.pointee.parameters = builder.entries(
          requested.parameters, inference__model_infer_request__infer_requested_output_tensor__parameters_entry__init
        ) { ($0.key, $0.value) = ($1, $2.c(builder)) }
        return Optional(output)
      })
  }

  package func encoded() -> [UInt8] {
    var bytes = packed(reserving: rawSize(inputs)) { self.fill(&$0.pointee, $1) }
    appendRaw(inputs, field: 7, to: &bytes)
    return bytes
  }
}

/// An answer as a client reads it.
package struct ModelInferResponse: CMessage, Hashable {
  package var modelName: String
  package var modelVersion = ""
  package var id = ""
  package var parameters: [String: InferParameter] = [:]
  package var outputs: [InferTensor] = []

  package init(modelName: String) { self.modelName = modelName }

  static var initialize: (UnsafeMutablePointer<Inference__ModelInferResponse>?) -> Void {
    inference__model_infer_response__init
  }

  init(_ c: Inference__ModelInferResponse) throws(InferenceError) {
    modelName = string(c.model_name)
    modelVersion = string(c.model_version)
    id = string(c.id)
    parameters = inferParameters(c.parameters, c.n_parameters) { ($0.key, $0.value) }
    let raw = array(c.raw_output_contents, c.n_raw_output_contents)
    for (index, element) in array(c.outputs, c.n_outputs).enumerated() {
      let output = element!.pointee
      var tensor = InferTensor(
        name: string(output.name), datatype: try Wire.datatype(output.datatype, of: "outputs[\(index)]"),
        shape: array(output.shape, output.n_shape),
        bytes: try tensorBytes(
          raw, index, output.contents, "output", output.name, output.datatype))
      tensor.parameters = inferParameters(output.parameters, output.n_parameters) { ($0.key, $0.value) }
      outputs.append(tensor)
    }
  }

  func fill(_ c: inout Inference__ModelInferResponse, _ builder: MessageBuilder) {
    c.model_name = builder.string(modelName)
    c.model_version = builder.string(modelVersion)
    c.id = builder.string(id)
    c.n_parameters = parameters.count
    c.parameters = builder.entries(parameters, inference__model_infer_response__parameters_entry__init) {
      ($0.key, $0.value) = ($1, $2.c(builder))
    }
    c.n_outputs = outputs.count
    c.outputs = builder.scalars(
      outputs.map { tensor in
        let output = builder.make(inference__model_infer_response__infer_output_tensor__init)
        output.pointee.name = builder.string(tensor.name)
        output.pointee.datatype = builder.string(tensor.datatype.description)
        output.pointee.n_shape = tensor.shape.count
        output.pointee.shape = builder.scalars(tensor.shape)
        output.pointee.n_parameters = tensor.parameters.count
        output.pointee.parameters = builder.entries(
          tensor.parameters, inference__model_infer_response__infer_output_tensor__parameters_entry__init
        ) { ($0.key, $0.value) = ($1, $2.c(builder)) }
        return Optional(output)
      })
  }

  package func encoded() -> [UInt8] {
    var bytes = packed(reserving: rawSize(outputs)) { self.fill(&$0.pointee, $1) }
    appendRaw(outputs, field: 6, to: &bytes)
    return bytes
  }
}

/// One answer, or one failure, of a stream of inferences.
package struct ModelStreamInferResponse: CMessage, Hashable {
  /// Not empty: the request failed.
  package var errorMessage: String
  /// With an error it only names the request that failed.
  package var response: ModelInferResponse?

  package init(errorMessage: String = "", response: ModelInferResponse?) {
    self.errorMessage = errorMessage
    self.response = response
  }

  static var initialize: (UnsafeMutablePointer<Inference__ModelStreamInferResponse>?) -> Void {
    inference__model_stream_infer_response__init
  }

  init(_ c: Inference__ModelStreamInferResponse) throws(InferenceError) {
    errorMessage = string(c.error_message)
    response = try optional(c.infer_response)
  }

  func fill(_ c: inout Inference__ModelStreamInferResponse, _ builder: MessageBuilder) {
    c.error_message = builder.string(errorMessage)
    guard let response else { return }
    let inner = builder.message(response)
    inner.pointee.n_raw_output_contents = response.outputs.count
    inner.pointee.raw_output_contents = builder.scalars(response.outputs.map { builder.bytes($0.bytes) })
    c.infer_response = inner
  }
}

// MARK: - Tensor bytes

/// A tensor's bytes: its raw entry if there are any, else its typed contents.
private func tensorBytes(
  _ raw: [ProtobufCBinaryData], _ index: Int, _ contents: UnsafePointer<Inference__InferTensorContents>?,
  _ kind: StaticString, _ name: UnsafePointer<CChar>?, _ token: UnsafePointer<CChar>?
) throws(InferenceError) -> [UInt8] {
  if !raw.isEmpty { return index < raw.count ? array(raw[index]) : [] }
  guard let contents, let datatype = Datatype(token: string(token)) else { return [] }
  var arena = Arena()
  let result = withUnsafeMutablePointer(to: &arena) { arena -> Result<[UInt8], InferenceError> in
    do throws(InferenceError) {
      return .success(Array(try rawBytes(of: contents, datatype, kind, Wire.bytes(of: name), in: arena)))
    } catch {
      return .failure(error)
    }
  }
  return try result.get()
}

private func rawSize(_ tensors: [InferTensor]) -> Int {
  tensors.reduce(0) { $0 + WireWriter.lengthDelimitedSize($1.bytes.count) }
}

/// Appends the tensors' bytes as a repeated field, which saves a copy of each.
private func appendRaw(_ tensors: [InferTensor], field: UInt8, to bytes: inout [UInt8]) {
  for tensor in tensors {
    withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { room in
      var head = WireWriter(at: room.baseAddress!)
      head.lengthDelimited(field, count: tensor.bytes.count)
      bytes.append(contentsOf: room[..<(head.at - room.baseAddress!)])
    }
    bytes.append(contentsOf: tensor.bytes)
  }
}
