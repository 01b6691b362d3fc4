package import Inference

/// Fits a configuration to the model that it describes: fills in what it leaves open, and refuses what contradicts.
///
/// Pure. The rules are those of Triton's auto-complete, with one difference: outputs that the configuration leaves out
/// are added from the model.
package struct ConfigurationCompletion: Sendable {
  /// Most rows in a batch where the model batches and nobody said how many.
  package var defaultMaxBatchSize: Int

  package init(defaultMaxBatchSize: Int) { self.defaultMaxBatchSize = defaultMaxBatchSize }

  /// The configuration with `maxBatchSize` and all inputs and outputs set, in the model's order.
  ///
  /// - Throws: `.invalidArgument`, naming the field, what the model has and what the configuration says. Which model it
  ///   is, the caller says.
  package func complete(
    _ configuration: ModelConfiguration, for model: ModelSignature
  ) throws(InferenceError) -> ModelConfiguration {
    var completed = configuration
    let maxBatchSize = try maxBatchSize(of: configuration, for: model)
    completed.maxBatchSize = maxBatchSize
    for size in configuration.dynamicBatching?.preferredBatchSizes ?? [] where size > maxBatchSize {
      throw .invalidArgument(
        "dynamic_batching.preferred_batch_size has \(size): expected at most \(maxBatchSize), the model's "
          + "max_batch_size")
    }
    if configuration.maxBatchSize == nil && maxBatchSize > 1 && configuration.dynamicBatching == nil {
      completed.dynamicBatching = DynamicBatching()
    }
    let inputs = TensorsCompletion(kind: "input", maxBatchSize: maxBatchSize)
    let outputs = TensorsCompletion(kind: "output", maxBatchSize: maxBatchSize)
    if !configuration.inputs.isEmpty && configuration.inputs.count != model.inputs.count {
      throw .invalidArgument(
        """
        the configuration has \(configuration.inputs.count) inputs \
        (\(quoted(configuration.inputs))), and the model has \(model.inputs.count) (\(quoted(model.inputs)))
        """)
    }
    completed.inputs = try inputs.complete(configuration.inputs, model.inputs)
    completed.outputs = try outputs.complete(configuration.outputs, model.outputs)
    for output in configuration.labelFiles.keys.sorted() where !model.outputs.contains(where: { $0.name == output }) {
      throw .invalidArgument(
        "label_filename is given for output '\(output)': the model's outputs are "
          + quoted(model.outputs))
    }
    return completed
  }

  /// What requests are checked against: the completed shapes, with the batch axis in front where there is one.
  package static func signature(of completed: ModelConfiguration) -> ModelSignature {
    let isBatched = (completed.maxBatchSize ?? 0) > 0
    func full(_ tensor: TensorMetadata) -> TensorMetadata {
      var tensor = tensor
      if isBatched { tensor.shape.insert(-1, at: 0) }
      return tensor
    }
    return ModelSignature(
      inputs: completed.inputs.map(full), outputs: completed.outputs.map(full), isBatchable: isBatched)
  }

  private func maxBatchSize(
    of configuration: ModelConfiguration, for model: ModelSignature
  ) throws(InferenceError) -> Int {
    if let given = configuration.maxBatchSize {
      guard given >= 0 else {
        throw .invalidArgument("max_batch_size is \(given): expected 0 or more")
      }
      guard given == 0 || model.isBatchable else {
        throw .invalidArgument(
          "the model does not support batching while max_batch_size is \(given): expected 0, "
            + "because axis 0 of its tensors is not a batch axis of any length")
      }
      return given
    }
    guard model.isBatchable else { return 0 }
    // Shapes that are written out in full leave no axis for a batch.
    let isWrittenInFull = configuration.inputs.contains { tensor in
      model.inputs.contains { $0.name == tensor.name && $0.shape.count == tensor.shape.count }
    }
    return isWrittenInFull ? 0 : defaultMaxBatchSize
  }

  private func quoted(_ tensors: [TensorMetadata]) -> String {
    tensors.isEmpty ? "none" : tensors.map { "'\($0.name)'" }.joined(separator: ", ")
  }
}

/// The inputs, or the outputs, of one model.
private struct TensorsCompletion {
  let kind: String
  let maxBatchSize: Int

  func complete(_ given: [TensorMetadata], _ actual: [TensorMetadata]) throws(InferenceError) -> [TensorMetadata] {
    var byName: [String: TensorMetadata] = [:]
    for tensor in given {
      guard byName.updateValue(tensor, forKey: tensor.name) == nil else {
        throw .invalidArgument("\(kind) '\(tensor.name)' is configured twice")
      }
      guard actual.contains(where: { $0.name == tensor.name }) else {
        throw .invalidArgument(
          "\(kind) '\(tensor.name)' is configured, and the model has no such \(kind): it has "
            + actual.map { "'\($0.name)'" }.joined(separator: ", "))
      }
    }
    var completed: [TensorMetadata] = []
    for tensor in actual {
      guard let wanted = byName[tensor.name] else {
        completed.append(fromModel(tensor))
        continue
      }
      try check(wanted, against: tensor)
      completed.append(wanted)
    }
    return completed
  }

  private func fromModel(_ tensor: TensorMetadata) -> TensorMetadata {
    var tensor = tensor
    if maxBatchSize > 0 { tensor.shape.removeFirst() }
    return tensor
  }

  private func check(_ wanted: TensorMetadata, against actual: TensorMetadata) throws(InferenceError) {
    guard wanted.datatype == actual.datatype else {
      throw .invalidArgument(
        "\(kind) '\(wanted.name)' is configured as \(wanted.datatype), and the model has "
          + "\(actual.datatype)")
    }
    let full = (maxBatchSize > 0 ? [-1] : []) + wanted.shape
    let fits =
      full.count == actual.shape.count && zip(full, actual.shape).allSatisfy { $1 == -1 || $0 == $1 }
    guard fits else {
      let batch = maxBatchSize > 0 ? " (the first axis is the batch, because max_batch_size is \(maxBatchSize))" : ""
      throw .invalidArgument(
        "\(kind) '\(wanted.name)' is configured with the shape \(full)\(batch), and the model has "
          + "\(actual.shape)")
    }
    if let axis = wanted.shape.firstIndex(where: { $0 == 0 || $0 < -1 }) {
      throw .invalidArgument(
        "\(kind) '\(wanted.name)': dims[\(axis)] is \(wanted.shape[axis]): expected 1 or more, or -1")
    }
  }
}
