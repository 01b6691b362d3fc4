internal import CONNXRuntime
internal import Glibc
internal import Inference
internal import Threads

/// The opened and checked library with its environment: one a process, kept for good.
///
/// The library allows one environment a process (a second request gets the first one, whatever it asks for), and can't
/// be closed safely while its threads may run. So the first backend that needs it opens it, and the others share it.
///
/// `@unchecked Sendable`: nothing changes after `init`, and the library's environment and allocator are made for use
/// from many threads.
final class Runtime: @unchecked Sendable {
  let api: OrtAPI
  /// Such as "1.31.1".
  let version: String
  let path: String
  let environment: OpaquePointer  // OrtEnv *
  /// The plain CPU allocator: for strings and names. The library's own; never released.
  let allocator: OpaquePointer  // OrtAllocator *
  /// Says that a tensor's bytes lie in ordinary memory.
  let cpuMemory: OpaquePointer  // OrtMemoryInfo *
  let log: LogForwarding

  private static let opened = Locked<Runtime?>(nil)

  /// The process's runtime, opened now if it was not yet. A failure is not remembered: the next call tries again.
  ///
  /// - Throws: `.unavailable` if there is no usable library, with every place that was tried and the remedy;
  ///   `.failedPrecondition` if another one than `options` names is in use already.
  static func open(_ options: ONNXOptions) throws(InferenceError) -> Runtime {
    try opened.withLock { runtime throws(InferenceError) in
      if let runtime {
        if let path = options.libraryPath, !LibrarySearch(option: path).paths.contains(where: runtime.isOpened(from:)) {
          throw .failedPrecondition(
            "ONNX Runtime is in use from \(runtime.path) already, and a process can use only one; asked for \(path)")
        }
        return runtime
      }
      let new = try Runtime(LibrarySearch(option: options.libraryPath), log: options.log)
      runtime = new
      return new
    }
  }

  private init(
    _ search: LibrarySearch, log sink: @escaping @Sendable (ONNXLogSeverity, String) -> Void
  ) throws(InferenceError) {
    var api = OrtAPI()
    var version: UnsafePointer<CChar>?
    var refusals = LibraryRefusals()
    var opened: String?
    for path in search.paths where opened == nil {
      if let reason = ort_open(path, &api, &version) {
        refusals.add(path, reason: String(cString: reason))
        free(reason)
      } else {
        opened = path
      }
    }
    guard let opened, let version else {
      throw .unavailable(
        """
        no usable ONNX Runtime library; tried \(search.origin): \(refusals.text). \
        Run Tools/fetch-onnxruntime, or set \(LibrarySearch.variable) to a libonnxruntime.so of version \
        1.\(ORT_OLDEST_API_VERSION) or later, or to its folder
        """)
    }
    self.api = api
    self.version = String(cString: version)
    path = opened
    log = LogForwarding(to: sink)
    do throws(OrtError) {
      // Never released: the environment lives as long as the process, and calls it until then.
      let parameter = Unmanaged.passRetained(log).toOpaque()
      environment = try api.create {
        api.CreateEnvWithCustomLogger(forwardOrtLog, parameter, ONNXLogSeverity.warning.rawValue, "", $0)
      }
      allocator = try api.create { api.GetAllocatorWithDefaultOptions($0) }
      cpuMemory = try api.create { api.CreateCpuMemoryInfo(deviceAllocator, defaultMemory, $0) }
      try checkItself()
    } catch {
      throw .unavailable("ONNX Runtime \(self.version) at \(opened) fails its first calls: \(error.message)")
    }
  }

  /// Whether `other` is the file this library came from.
  private func isOpened(from other: String) -> Bool {
    var mine = stat()
    var theirs = stat()
    if stat(path, &mine) == 0, stat(other, &theirs) == 0 {
      return mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino
    }
    return path == other
  }

  /// The providers built into the library. A fact of its build: CUDA among them does not mean that there is a GPU.
  var providers: [String] {
    var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    var count: Int32 = 0
    guard (try? api.check(api.GetAvailableProviders(&names, &count))) != nil, let names else { return [] }
    defer { api.ignore(api.ReleaseAvailableProviders(names, count)) }
    return (0..<Int(count)).compactMap { names[$0].map { String(cString: $0) } }
  }
}

/// `OrtDeviceAllocator` and `OrtMemTypeDefault`.
let deviceAllocator: Int32 = 0
let defaultMemory: Int32 = 0
