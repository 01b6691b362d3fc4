import Backends
import Glibc
import Inference
import ONNXBackend
import Synchronization
import Testing

/// The backend of all tests: the library is one a process, and so is the log it writes to.
let backend = ONNXBackend(options: testOptions())

func testOptions() -> ONNXOptions {
  var options = ONNXOptions { severity, message in
    logLines.withLock { $0.append(LogLine(severity: severity, message: message, thread: pthread_self())) }
  }
  // The environment comes first, so that the tests can be run with another version of the library.
  if getenv("APUS_ONNXRUNTIME") == nil { options.libraryPath = cacheFolder + "/onnxruntime/lib" }
  return options
}

struct LogLine {
  var severity: ONNXLogSeverity
  var message: String
  var thread: pthread_t
}

let logLines = Mutex<[LogLine]>([])

let cacheFolder = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 } + "/.cache"

/// The file of a model that `Tools/make-test-models` writes.
func modelPath(_ name: String, in repository: String = "test-models") throws -> String {
  let path = "\(cacheFolder)/\(repository)/\(name)/1/model.onnx"
  try #require(access(path, R_OK) == 0, "\(path) is missing: run Tools/test, which makes it")
  return path
}

func load(_ name: String, _ configure: (inout ModelConfiguration) -> Void = { _ in }) throws -> any LoadedModel {
  var configuration = ModelConfiguration(name: name)
  configure(&configuration)
  return try backend.load(path: modelPath(name), configuration: configuration)
}

/// What loading the file fails with.
func loadFailure(
  _ path: String, _ configure: (inout ModelConfiguration) -> Void = { _ in },
  sourceLocation: SourceLocation = #_sourceLocation
) throws -> InferenceError {
  var configuration = ModelConfiguration(name: "broken")
  configure(&configuration)
  return try #require(throws: InferenceError.self, sourceLocation: sourceLocation) {
    _ = try backend.load(path: path, configuration: configuration)
  }
}

/// A tensor by value, for tests.
struct Contents: Equatable {
  var datatype: Datatype
  var shape: [Int64]
  var bytes: [UInt8]

  init(_ datatype: Datatype, _ shape: [Int64], _ bytes: [UInt8]) {
    self.datatype = datatype
    self.shape = shape
    self.bytes = bytes
  }

  init<Element: BitwiseCopyable>(_ datatype: Datatype, _ shape: [Int64], of elements: [Element]) {
    self.init(datatype, shape, elements.withUnsafeBytes { Array($0) })
  }

  /// BYTES elements.
  init(_ shape: [Int64], strings: [[UInt8]]) {
    self.init(
      .bytes, shape, strings.flatMap { element in withUnsafeBytes(of: UInt32(element.count)) { Array($0) } + element })
  }
}

extension ModelInstance {
  /// Runs over copies of `inputs`, overwritten before the outputs are read: an output must not depend on them.
  func run(_ inputs: [Contents], wanted: UInt64 = .max, outputs outputCount: Int = 1) throws -> [Contents?] {
    try runHolding(inputs, wanted: wanted, outputs: outputCount).map { result in
      guard let owner = result.owner else { return nil }
      defer { owner.release() }
      return Contents(result.datatype, Array(result.shape), Array(result.bytes))
    }
  }

  /// The outputs themselves, whose owners are the caller's to release.
  func runHolding(_ inputs: [Contents], wanted: UInt64 = .max, outputs outputCount: Int = 1) throws -> [Tensor] {
    let buffers = inputs.map { input in
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: input.bytes.count, alignment: 16)
      buffer.copyBytes(from: input.bytes)
      return buffer
    }
    let shapes = inputs.map { input in
      let shape = UnsafeMutableBufferPointer<Int64>.allocate(capacity: input.shape.count)
      _ = shape.initialize(from: input.shape)
      return shape
    }
    defer {
      buffers.forEach { $0.deallocate() }
      shapes.forEach { $0.deallocate() }
    }
    let tensors = inputs.indices.map { index in
      Tensor(
        name: UnsafeRawBufferPointer(start: nil, count: 0), datatype: inputs[index].datatype,
        shape: UnsafeBufferPointer(shapes[index]), bytes: UnsafeRawBufferPointer(buffers[index]))
    }
    let unset = Tensor(
      name: UnsafeRawBufferPointer(start: nil, count: 0), datatype: .bool,
      shape: UnsafeBufferPointer(start: nil, count: 0), bytes: UnsafeRawBufferPointer(start: nil, count: 0))
    var results = [Tensor](repeating: unset, count: outputCount)
    try tensors.withUnsafeBufferPointer { tensors in
      try results.withUnsafeMutableBufferPointer { try run(inputs: tensors, wanted: wanted, outputs: $0) }
    }
    buffers.forEach { $0.initializeMemory(as: UInt8.self, repeating: 0xee) }
    return results
  }
}

/// Runs `body` on `count` threads of its own, and waits for all of them.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  let threads = (0..<count).map { index in
    var thread = pthread_t()
    let box = Unmanaged.passRetained(ThreadBody { body(index) })
    let failure = pthread_create(&thread, nil, runThreadBody, box.toOpaque())
    precondition(failure == 0, "no thread")
    return thread
  }
  for thread in threads { pthread_join(thread, nil) }
}

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

private func runThreadBody(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  Unmanaged<ThreadBody>.fromOpaque(argument!).takeRetainedValue().run()
  return nil
}
