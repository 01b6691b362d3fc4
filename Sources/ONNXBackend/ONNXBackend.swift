package import Backends
internal import CONNXRuntime
package import Inference

/// Runs ONNX models with ONNX Runtime, on the CPU or on a GPU with CUDA.
///
/// The library is opened when the first model is loaded, so a server without ONNX models does not need it. All of a
/// model's instances share one session: further ones would hold the weights again and run no faster.
package struct ONNXBackend: Backend {
  package let name = "onnxruntime"
  package let platform = "onnxruntime_onnx"
  package let defaultModelFilename = "model.onnx"
  private let options: ONNXOptions

  package init(options: ONNXOptions = ONNXOptions()) { self.options = options }

  /// Which library is in use.
  package struct Library: Hashable, Sendable {
    /// Such as "1.31.1".
    package var version: String
    /// What it was opened by: a path, or a name that the loader found.
    package var path: String
    /// The interface version it granted.
    package var apiVersion: Int
    /// Built into it, whether or not the machine has the device.
    package var providers: [String]
  }

  /// Opens the library now, to say early whether it is there.
  ///
  /// - Throws: `.unavailable` if it isn't or does not work, with every place that was tried and the remedy;
  ///   `.failedPrecondition` if this process uses another one already.
  package func openLibrary() throws(InferenceError) -> Library {
    let runtime = try Runtime.open(options)
    return Library(
      version: runtime.version, path: runtime.path, apiVersion: Int(runtime.api.version), providers: runtime.providers)
  }

  package func load(path: String, configuration: ModelConfiguration) throws(InferenceError) -> any LoadedModel {
    let settings = try SessionSettings(options: options, configuration: configuration)
    return try ONNXModel(
      runtime: Runtime.open(options), path: path, name: configuration.name, settings: settings, options: options)
  }
}
