import Backends
import Glibc
import Inference
import ONNXBackend
import Synchronization
import Testing

struct LoadFailureTests {
  /// Writes a file of these bytes for as long as `body` runs.
  private func withFile<Result>(_ bytes: [UInt8], _ body: (String) throws -> Result) throws -> Result {
    var template = Array("/tmp/apus-onnx-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    try #require(descriptor >= 0)
    let path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    defer { unlink(path) }
    #expect(write(descriptor, bytes, bytes.count) == bytes.count)
    close(descriptor)
    return try body(path)
  }

  private func read(_ path: String) throws -> [UInt8] {
    let file = try #require(fopen(path, "r"))
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = fread(&bytes, 1, bytes.count, file)
    return Array(bytes.prefix(count))
  }

  @Test func `a file that is not there is named`() throws {
    #expect(
      try loadFailure("/nowhere/model.onnx")
        == .invalidArgument("/nowhere/model.onnx can't be read: No such file or directory"))
  }

  @Test func `a folder is not a model`() throws {
    #expect(try loadFailure("/tmp") == .invalidArgument("/tmp is not a file"))
  }

  @Test func `an empty file is not a model`() throws {
    try withFile([]) { path in
      let failure = try loadFailure(path)
      #expect(failure == .invalidArgument("\(path) is empty"))
    }
  }

  @Test func `a file of something else is refused in the library's words`() throws {
    try withFile(Array("Not a model, but a text.".utf8)) { path in
      let failure = try loadFailure(path)
      #expect(failure.code == .invalidArgument)
      #expect(failure.message.hasPrefix("\(path) can't be loaded as an ONNX model: "))
      #expect(failure.message.contains("rotobuf"))
    }
  }

  @Test func `a model cut short anywhere is refused or still whole, and never crashes`() throws {
    let whole = try read(modelPath("fixed"))
    for length in 1..<whole.count {
      try withFile(Array(whole.prefix(length))) { path in
        do throws(InferenceError) {
          _ = try backend.load(path: path, configuration: ModelConfiguration(name: "cut"))
        } catch {
          #expect(error.code == .invalidArgument)
          #expect(error.message.contains(path))
        }
      }
    }
    #expect(try withFile(Array(whole.prefix(whole.count / 2))) { try loadFailure($0).code } == .invalidArgument)
  }

  @Test(arguments: [
    ("tensor_list", "its output 'OUTPUT0' is a sequence; only tensors are served"),
    ("complex_numbers", "complex64"),
    ("many_outputs", "it has 65 outputs; at most 64 are served"),
    ("weights_elsewhere", "weights.bin"),
  ])
  func `what can't be served is refused at load, and the file is named`(_ name: String, _ reason: String) throws {
    let path = try modelPath(name, in: "broken-test-models")
    let failure = try loadFailure(path)
    #expect(failure.code == .invalidArgument)
    #expect(failure.message.hasPrefix(path))
    #expect(failure.message.contains(reason))
  }

  @Test(.enabled(if: !hasCUDA)) func `a GPU is not to be had from a library without CUDA, which says so`() throws {
    let failure = try loadFailure(modelPath("simple")) { configuration in
      var group = InstanceGroup()
      group.kind = .gpu
      configuration.instanceGroups = [group]
    }
    #expect(failure.code == .unavailable)
    #expect(failure.message.contains("the model asks for a GPU"))
    #expect(failure.message.contains("CUDA execution provider is not enabled in this build"))
    #expect(failure.message.contains("APUS_ONNXRUNTIME"))
  }

  /// Files of the right names that are no libraries: each that is opened is complained of.
  @Test func `CUDA's libraries are opened by their sonames, from the folders given`() throws {
    var template = Array("/tmp/apus-cuda-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
    try #require(made)
    let folder = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    let names = ["libcublas.so", "libcublas.so.13", "libcublas.so.13.1", "libcublasLt.so.13", "libother.so.1"]
    for name in names { fclose(fopen("\(folder)/\(name)", "w")) }
    defer {
      for name in names { unlink("\(folder)/\(name)") }
      rmdir(folder)
    }
    var options = testOptions()
    options.cudaLibraryFolders = [folder]
    options.provider = .cuda
    _ = try? ONNXBackend(options: options).load(
      path: modelPath("simple"), configuration: ModelConfiguration(name: "preload"))
    let complaints = logLines.withLock { lines in lines.map(\.message).filter { $0.contains(folder) } }
    #expect(complaints.count == 2)
    #expect(complaints.first?.hasPrefix("CUDA library \(folder)/libcublasLt.so.13 can't be opened: ") == true)
    #expect(complaints.last?.hasPrefix("CUDA library \(folder)/libcublas.so.13 can't be opened: ") == true)
  }

  private static let hasCUDA = (try? backend.openLibrary().providers.contains("CUDAExecutionProvider")) ?? false
}
