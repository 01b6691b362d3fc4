internal import Inference
internal import Wire

/// A configuration as it was written, checked as far as that goes without the model.
internal struct ReadConfiguration: Sendable {
  var configuration: ModelConfiguration
  /// Fields that are set and have no effect here, for the log.
  var ignoredFields: [String] = []

  /// Of a model without `config.pbtxt`: everything as the model says.
  init(absentFor model: String) { configuration = ModelConfiguration(name: model) }

  /// Reads `config.pbtxt`.
  ///
  /// - Parameter model: The name that the file may give; nil: any.
  /// - Throws: `.invalidArgument` with the file and what is wrong where.
  init(text: String, file: String, model: String?) throws(InferenceError) {
    do throws(InferenceError) {
      try self.init(ModelConfig(text: text), model: model)
    } catch { throw InferenceError(error.code, "\(file): \(error.message)") }
  }

  /// Reads the JSON form that a load may bring along.
  ///
  /// - Throws: `.invalidArgument` with what is wrong where.
  init(json: String, model: String) throws(InferenceError) {
    do throws(InferenceError) {
      try self.init(ModelConfig(json: json), model: model)
    } catch { throw InferenceError(error.code, "load parameter 'config': \(error.message)") }
  }

  private init(_ written: ModelConfig, model: String?) throws(InferenceError) {
    let (configuration, unsupported) = try written.configuration()
    self.configuration = configuration
    if let model {
      guard configuration.name.isEmpty || configuration.name == model else {
        throw .invalidArgument(
          "name is '\(configuration.name)': expected '\(model)', the name of the model's directory, or nothing")
      }
      self.configuration.name = model
    }
    for (index, group) in configuration.instanceGroups.enumerated() where group.kind == .cpu && !group.gpus.isEmpty {
      throw .invalidArgument(
        "instance_group[\(index)] has kind KIND_CPU and gpus \(group.gpus): expected no gpus, because its instances "
          + "run on the CPU")
    }
    ignoredFields = unsupported.filter(UnsupportedField.isHarmless)
    let refused = unsupported.filter { !UnsupportedField.isHarmless($0) }
    guard refused.isEmpty else {
      let fields = refused.map { "'\($0)'" }.joined(separator: ", ")
      throw .invalidArgument(
        "\(fields) \(refused.count == 1 ? "is" : "are") set: this server does not support that, and serving the model "
          + "without it would change what it answers")
    }
  }
}

/// Fields of Triton's `ModelConfig` that this server does not act on, told apart by whether that shows in the answers.
internal enum UnsupportedField {
  /// Hints for speed, for metrics, or for devices: without them a model answers the same. A message's path stands for
  /// all that is in it. Everything else that is not supported refuses the model.
  private static let harmless: [String] = [
    "input.format",
    "instance_group.host_policy", "instance_group.kind: KIND_MODEL", "instance_group.rate_limiter",
    "metric_tags", "model_metrics",
    "optimization.cuda", "optimization.eager_batching", "optimization.gather_kernel_buffer_threshold",
    "optimization.input_pinned_memory", "optimization.output_pinned_memory", "optimization.priority",
    "runtime",
  ]

  static func isHarmless(_ path: String) -> Bool {
    harmless.contains { path == $0 || path.hasPrefix("\($0).") }
  }
}
