internal import Documents
internal import Inference

/// What there is to load in the folder of a registered model.
///
/// ```
/// triton_model   <folder>[/<model>]/config.pbtxt, <folder>[/<model>]/<version>/<file>
/// custom_model   the same, or <folder>/model.onnx, or the one *.onnx file of the folder
/// mlflow_model   <folder>/MLmodel with the flavour `onnx`, which names its file
/// ```
///
/// A folder that holds nothing but one folder stands for that one: an upload of `models/churn` and one of its contents
/// are the same model.
internal enum ModelLayout: Sendable {
  /// Triton's: the loader picks version and file.
  case repository(ModelFolder)
  /// One file.
  case file(folder: String, name: String)

  enum Format: Hashable, Sendable { case custom, mlflow, triton }

  /// - Throws: `.invalidArgument` that says what was expected where; `.unimplemented` for an MLflow model that has no
  ///   ONNX file.
  static func find(in folder: String, format: Format, model: String) throws(InferenceError) -> ModelLayout {
    let root = try innermost(folder)
    switch format {
    case .triton:
      guard let found = try repository(at: root, model) else {
        throw .invalidArgument(
          "model '\(model)' is a triton_model, and its folder has neither config.pbtxt nor a version folder such as '1': "
            + "it has \(try listing(root))")
      }
      return found
    case .custom:
      if let found = try repository(at: root, model) { return found }
      return try onnxFile(in: root, model)
    case .mlflow: return try mlflow(in: root, model)
    }
  }

  private static func innermost(_ folder: String) throws(InferenceError) -> String {
    var folder = folder
    for _ in 0..<4 {
      let names = try Files.names(in: folder)
      guard names.count == 1, Int64(names[0]) == nil, try Files.kind("\(folder)/\(names[0])") == .directory else { break }
      folder += "/\(names[0])"
    }
    return folder
  }

  private static func repository(at path: String, _ model: String) throws(InferenceError) -> ModelLayout? {
    let configurationPath = "\(path)/\(ModelRepository.configurationFilename)"
    var configuration: String?
    if try Files.kind(configurationPath) == .file {
      let bytes = try Files.contents(configurationPath, limitBytes: 16 << 20)
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw .invalidArgument("file 'config.pbtxt' of model '\(model)' is not UTF-8 text")
      }
      configuration = text
    }
    var versions: [Int64] = []
    for name in try Files.names(in: path) {
      if let version = Int64(name), version > 0, "\(version)" == name, try Files.kind("\(path)/\(name)") == .directory {
        versions.append(version)
      }
    }
    guard configuration != nil || !versions.isEmpty else { return nil }
    return .repository(
      ModelFolder(name: model, path: path, versions: versions.sorted(by: >), configurationText: configuration))
  }

  private static func onnxFile(in folder: String, _ model: String) throws(InferenceError) -> ModelLayout {
    let files = try Files.names(in: folder).filter { $0.hasSuffix(".onnx") }
    if files.contains("model.onnx") { return .file(folder: folder, name: "model.onnx") }
    guard let file = files.first else {
      throw .invalidArgument(
        "model '\(model)' holds no model that this server can run without a scoring script: expected a file '*.onnx', "
          + "or config.pbtxt with version folders; it has \(try listing(folder))")
    }
    guard files.count == 1 else {
      throw .invalidArgument(
        "model '\(model)' holds \(files.count) files '*.onnx' (\(files.joined(separator: ", "))): expected one, or one "
          + "that is called 'model.onnx'")
    }
    return .file(folder: folder, name: file)
  }

  private static func mlflow(in folder: String, _ model: String) throws(InferenceError) -> ModelLayout {
    guard try Files.kind("\(folder)/MLmodel") == .file else {
      throw .invalidArgument(
        "model '\(model)' is an mlflow_model, and its folder has no file 'MLmodel': it has \(try listing(folder))")
    }
    let bytes = try Files.contents("\(folder)/MLmodel", limitBytes: 4 << 20)
    let description: Document
    do { description = try SourceDocument(yaml: bytes).root } catch {
      throw .invalidArgument("file 'MLmodel' of model '\(model)': \(error)")
    }
    let flavors = description["flavors"]
    guard let onnx = flavors?["onnx"] else {
      let names = flavors?.object?.keys.joined(separator: ", ") ?? "none"
      throw .unimplemented(
        "model '\(model)' has the MLflow flavours \(names): only 'onnx' runs without Python, which this server does not "
          + "start yet")
    }
    guard let file = onnx["data"]?.string ?? onnx["model_path"]?.string, isInside(file) else {
      throw .invalidArgument("file 'MLmodel' of model '\(model)': flavors.onnx.data: expected a path inside the model")
    }
    return .file(folder: folder, name: file)
  }

  private static func isInside(_ path: String) -> Bool {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    return !path.isEmpty && parts.first != "" && !parts.contains("..")
  }

  private static func listing(_ folder: String) throws(InferenceError) -> String {
    let names = try Files.names(in: folder)
    guard !names.isEmpty else { return "nothing" }
    return names.prefix(8).map { "'\($0)'" }.joined(separator: ", ") + (names.count > 8 ? ", …" : "")
  }
}
