internal import Backends
internal import CONNXRuntime
internal import Glibc
internal import Inference

/// A model's one session, shared by all of its instances.
///
/// `@unchecked Sendable`: nothing changes after `init`, and the library's `Run` is made for calls from many threads on
/// one session.
final class ONNXModel: LoadedModel, @unchecked Sendable {
  let runtime: Runtime
  let session: OpaquePointer  // OrtSession *
  let signature: ModelSignature
  let settings: SessionSettings
  let suggestedInstanceCount: Int
  let placement: String
  /// C strings in the order of the signature; freed with the model.
  let inputNames: UnsafeMutablePointer<UnsafePointer<CChar>?>
  let outputNames: UnsafeMutablePointer<UnsafePointer<CChar>?>
  private let fileBytes: UInt64

  init(
    runtime: Runtime, path: String, name: String, settings: SessionSettings, options: ONNXOptions
  ) throws(InferenceError) {
    let api = runtime.api
    fileBytes = try Self.size(ofModelFile: path)
    let raw = try runtime.makeSessionOptions(settings, name: name, cudaLibraryFolders: options.cudaLibraryFolders)
    defer { api.ReleaseSessionOptions(raw) }

    let session: OpaquePointer
    do throws(OrtError) {
      session = try api.create { api.CreateSession(runtime.environment, path, raw, $0) }
    } catch {
      var message = "\(path) can't be loaded as an ONNX model: \(error.message)"
      if settings.device != .cpu, error.message.contains("fallback") {
        message += ". The parameter session.disable_cpu_ep_fallback with the value 0 lets such nodes run on the CPU"
      }
      throw .invalidArgument(message)
    }
    let signature: ModelSignature
    do throws(InferenceError) {
      signature = try SignatureReader(runtime: runtime, session: session).read()
    } catch {
      api.ReleaseSession(session)
      throw InferenceError(error.code, "\(path) can't be served: \(error.message)")
    }
    self.runtime = runtime
    self.session = session
    self.signature = signature
    self.settings = settings
    inputNames = Self.copyNames(signature.inputs)
    outputNames = Self.copyNames(signature.outputs)
    placement = runtime.placement(of: session, on: settings.device)
    suggestedInstanceCount =
      switch settings.device {
      case .cpu: options.cpuInstanceCount > 0 ? options.cpuInstanceCount : max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
      case .cuda: 1
      }
  }

  deinit {
    runtime.api.ReleaseSession(session)
    for index in signature.inputs.indices { free(UnsafeMutablePointer(mutating: inputNames[index])) }
    for index in signature.outputs.indices { free(UnsafeMutablePointer(mutating: outputNames[index])) }
    inputNames.deallocate()
    outputNames.deallocate()
  }

  /// The CUDA provider keeps a state for each thread that runs, and its runs are too long for this to matter.
  var runsOnAnyThread: Bool { settings.device == .cpu }

  func makeInstance(index: Int) throws(InferenceError) -> any ModelInstance {
    try ONNXInstance(self)
  }

  /// An estimate: the size of the model's file for the weights, which the library does not count where it maps or
  /// repacks them, and what the arenas have taken for everything else.
  var memoryUsage: [MemoryUsage] {
    var usage: [MemoryUsage] = []
    let arena = settings.usesArena ? runtime.arenaBytes(of: session, memory: runtime.cpuMemory) : nil
    usage.append(MemoryUsage(kind: "CPU", device: 0, byteCount: fileBytes + (arena ?? 0)))
    if case .cuda(let index) = settings.device, let gpu = runtime.cudaArenaBytes(of: session, device: index) {
      usage.append(MemoryUsage(kind: "GPU", device: index, byteCount: gpu))
    }
    return usage
  }

  private static func copyNames(_ tensors: [TensorMetadata]) -> UnsafeMutablePointer<UnsafePointer<CChar>?> {
    let names = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: max(tensors.count, 1))
    for (index, tensor) in tensors.enumerated() { names[index] = UnsafePointer(strdup(tensor.name)) }
    return names
  }

  /// Looks at the file first: the operating system says more precisely than the library why it can't be read.
  private static func size(ofModelFile path: String) throws(InferenceError) -> UInt64 {
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw .invalidArgument("\(path) can't be read: \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw .invalidArgument("\(path) is not a file")
    }
    guard status.st_size > 0 else { throw .invalidArgument("\(path) is empty") }
    return UInt64(status.st_size)
  }
}
