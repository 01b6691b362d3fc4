internal import Inference
internal import Wire

extension InferResponse {
  /// Reads an answer where it was received; its outputs hold the message.
  init(_ message: ReceivedMessage) throws(ClientError) {
    if let scanned = ScannedInferResponse(message.bytes) {
      self.init(scanned, in: message)
    } else {
      try self.init(copying: message.bytes)
    }
  }

  /// Reads an answer that lies inside a message.
  init(_ bytes: UnsafeRawBufferPointer, in message: ReceivedMessage) throws(ClientError) {
    if let scanned = ScannedInferResponse(bytes) {
      self.init(scanned, in: message)
    } else {
      try self.init(copying: bytes)
    }
  }

  private init(_ scanned: ScannedInferResponse, in message: ReceivedMessage) {
    self.init(
      model: scanned.modelName, version: scanned.modelVersion, id: scanned.id,
      outputs: scanned.outputs.map { output in
        var tensor = Tensor(
          name: output.name, datatype: Datatype(output.datatype), shape: output.shape,
          storage: TensorStorage(bytes: output.bytes, owner: message))
        if !output.parameters.isEmpty { tensor.parameters = output.parameters.mapValues(Parameter.init) }
        return tensor
      }, parameters: scanned.parameters.isEmpty ? [:] : scanned.parameters.mapValues(Parameter.init))
  }

  /// For what the scan leaves: typed contents, and messages that are wrong.
  private init(copying bytes: UnsafeRawBufferPointer) throws(ClientError) {
    do throws(InferenceError) {
      self.init(try ModelInferResponse(decoding: bytes))
    } catch {
      throw ClientError(unreadable: error)
    }
  }

  init(_ wire: ModelInferResponse) {
    self.init(
      model: wire.modelName, version: wire.modelVersion, id: wire.id,
      outputs: wire.outputs.map { output in
        var tensor = Tensor(
          name: output.name, datatype: Datatype(output.datatype), shape: output.shape, bytes: output.bytes)
        tensor.parameters = output.parameters.mapValues(Parameter.init)
        return tensor
      }, parameters: wire.parameters.mapValues(Parameter.init))
  }
}

extension ClientError {
  /// The server's answer is no such message.
  init(unreadable error: InferenceError) {
    self.init(.client, .internal, "the answer can't be read: \(error.message)", mayHaveRun: true)
  }
}
