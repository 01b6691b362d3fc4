import Backends
import Control
import Glibc
import Inference
import ScriptedBackend
import Serving
import Telemetry

/// A model repository on disk that goes away with its object.
final class TemporaryRepository: Sendable {
  let path: String

  init() {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/apus-test-XXXXXX".utf8CString)
    precondition(mkdtemp(&template) != nil)
    path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  deinit { remove("") }

  /// Writes a file and makes the directories above it.
  func write(_ file: String, _ text: String) {
    makeDirectory(file.split(separator: "/").dropLast().joined(separator: "/"))
    let stream = fopen("\(path)/\(file)", "w")!
    fputs(text, stream)
    fclose(stream)
  }

  func makeDirectory(_ directory: String) {
    var made = path
    for part in directory.split(separator: "/") {
      made += "/\(part)"
      mkdir(made, 0o755)
    }
  }

  func link(_ name: String, to target: String) { symlink(target, "\(path)/\(name)") }

  /// Takes a file, or a directory with all that is in it, away.
  func remove(_ name: String) { TemporaryRepository.removeAll(name.isEmpty ? path : "\(path)/\(name)") }

  private static func removeAll(_ path: String) {
    if let stream = opendir(path) {
      while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { removeAll("\(path)/\(name)") }
      }
      closedir(stream)
    }
    _ = Glibc.remove(path)
  }

  /// Makes the repository's own directory again, empty.
  func restore() { mkdir(path, 0o755) }

  /// Writes a version of a model that adds `summand`, and more lines of its script.
  func writeModel(_ name: String, version: Int = 1, add summand: Int = 1, _ more: String = "") {
    write("\(name)/\(version)/model.script", TemporaryRepository.script(add: summand, more))
  }

  static func script(add summand: Int, _ more: String = "") -> String {
    "batchable\ninput X FP32 -1 2\noutput Y FP32 -1 2\nadd \(summand)\n\(more)\n"
  }
}

/// A server's control plane over a temporary repository, and a door to send requests through.
struct World {
  let repository = TemporaryRepository()
  let backend = ScriptedBackend()
  let board = ServingBoard()
  let lifecycle: ModelLifecycle

  init(_ change: (inout ControlOptions) -> Void = { _ in }) {
    var options = ControlOptions(repositories: [repository.path])
    change(&options)
    lifecycle = ModelLifecycle(
      options: options, loader: DeploymentLoader(backends: [backend], log: .off), composer: SnapshotComposer(board: board), log: .off)
  }

  func door() -> ServingDoor { ServingDoor(board: board, admission: Admission(limit: 1000)) }

  /// What a model answers to [0, 0]: the number that its script adds.
  func answer(_ model: String, version: String = "") throws -> Float {
    let door = door()
    let request = try zeros(model, version: version)
    if case .refused(let error) = door.submit(request.pointer, now: .now()) { throw error }
    door.endOfTurn()
    request.wait()
    defer { door.finish(request.pointer) }
    if let failure = request.failure { throw failure }
    return request.outputs[0].elements(as: Float.self)[0]
  }

  func zeros(_ model: String, version: String = "") throws -> OwnedRequest {
    try OwnedRequest(
      model: model, version: version,
      inputs: [OwnedRequest.Value(name: "X", datatype: .fp32, shape: [1, 2], elements: [0, 0] as [Float])])
  }

  func index() throws -> [String] {
    try lifecycle.index().map { entry in
      "\(entry.name) \(entry.version.map(String.init) ?? "-") \(entry.state?.rawValue ?? "-") \(entry.reason)"
    }
  }

  /// Why a load fails.
  func loadFailure(_ model: String) async -> InferenceError? {
    do throws(InferenceError) {
      try await lifecycle.load(model)
      return nil
    } catch { return error }
  }
}
