internal import Backends
internal import Inference

/// The backends of this server, and the rule for which one loads a model.
internal struct BackendChoice: Sendable {
  let backends: [any Backend]

  /// The backend that the configuration names by `backend` or `platform`; where it names neither, the one whose model
  /// file is there.
  ///
  /// - Parameter hasFile: Whether the model's versions have a file of this name.
  /// - Throws: `.invalidArgument`, naming the known backends; what `hasFile` throws.
  func backend(
    for configuration: ModelConfiguration, hasFile: (String) throws(InferenceError) -> Bool
  ) throws(InferenceError) -> any Backend {
    if !configuration.backend.isEmpty {
      guard let backend = backends.first(where: { $0.name == configuration.backend }) else {
        throw unknown("backend", configuration.backend, of: configuration.name)
      }
      let platform = configuration.platform
      guard platform.isEmpty || platform == backend.platform else {
        throw .invalidArgument(
          "model '\(configuration.name)': platform '\(platform)' is not one of backend '\(backend.name)': expected "
            + "'\(backend.platform)' or nothing")
      }
      return backend
    }
    if !configuration.platform.isEmpty {
      guard let backend = backends.first(where: { $0.platform == configuration.platform }) else {
        throw unknown("platform", configuration.platform, of: configuration.name)
      }
      return backend
    }
    for backend in backends where try hasFile(backend.defaultModelFilename) { return backend }
    if !configuration.defaultModelFilename.isEmpty, backends.count == 1 { return backends[0] }
    let files = backends.map { "'\($0.defaultModelFilename)' (\($0.name))" }.joined(separator: ", ")
    throw .invalidArgument(
      "model '\(configuration.name)': the configuration names no backend, and no version directory holds a file that "
        + "a known backend looks for: \(files)")
  }

  private func unknown(_ field: String, _ value: String, of model: String) -> InferenceError {
    let known = backends.map { "\($0.name) (platform \($0.platform))" }.joined(separator: ", ")
    return .invalidArgument("model '\(model)': unknown \(field) '\(value)': known backends are \(known)")
  }
}
