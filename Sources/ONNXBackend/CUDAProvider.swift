internal import CONNXRuntime
internal import Glibc
internal import Inference

extension Runtime {
  /// Opens CUDA's libraries by full path, so that the provider finds them by their sonames afterwards: the loader's own
  /// search path can't be changed once a process runs.
  ///
  /// The order matters: cuBLAS needs cuBLASLt. What is missing in the folders is left to the loader, whose complaint
  /// `appendCUDA` passes on.
  func preloadCUDA(from folders: [String]) {
    for name in ["cublasLt", "cublas", "nvrtc", "curand", "cufft", "cudart", "cudnn"] {
      for folder in folders {
        for file in entries(of: folder).sorted() where isSoname(file, of: name) {
          guard let reason = ort_preload("\(folder)/\(file)") else { continue }
          log.forward(.warning, "CUDA library \(folder)/\(file) can't be opened: \(String(cString: reason))")
          free(reason)
        }
      }
    }
  }

  /// `libcublas.so.13`, but neither `libcublas.so` nor `libcublas.so.13.2.1`.
  private func isSoname(_ file: String, of name: String) -> Bool {
    let prefix = "lib\(name).so."
    return file.hasPrefix(prefix) && Int(file.dropFirst(prefix.count)) != nil
  }

  /// Lets a session run on a GPU, or says what is missing.
  ///
  /// - Throws: `.unavailable` with the library's or loader's words and the remedy; `.invalidArgument` if an option is
  ///   refused.
  func appendCUDA(
    to sessionOptions: OpaquePointer, device: Int, options: [String: String]
  ) throws(InferenceError) {
    let cuda: OpaquePointer
    do throws(OrtError) {
      cuda = try api.create { api.CreateCUDAProviderOptions($0) }
    } catch {
      throw .unavailable(
        """
        the model asks for a GPU, but ONNX Runtime \(version) at \(path) is built without CUDA \
        ("\(error.message)"); set \(LibrarySearch.variable) to the library of onnxruntime-gpu, or let the model run on \
        KIND_CPU
        """)
    }
    defer { api.ReleaseCUDAProviderOptions(cuda) }

    var settings = options
    settings["device_id"] = settings["device_id"] ?? "\(device)"
    do throws(OrtError) {
      // The provider is loaded here, and here alone the loader's words about a missing library come through.
      try withCStrings(settings.map(\.key)) { keys throws(OrtError) in
        try withCStrings(settings.map(\.value)) { values throws(OrtError) in
          try api.check(api.UpdateCUDAProviderOptions(cuda, keys, values, settings.count))
        }
      }
      try api.check(api.SessionOptionsAppendExecutionProvider_CUDA_V2(sessionOptions, cuda))
    } catch {
      if error.code == OrtError.invalidArgument {
        throw .invalidArgument("the CUDA provider refuses its options: \(error.message)")
      }
      throw .unavailable(
        """
        the model asks for a GPU, but ONNX Runtime's CUDA provider can't be used: \(error.message). Give \
        the folders of CUDA's libraries, or let the model run on KIND_CPU
        """)
    }
  }
}

/// Lends C copies of some strings, as an array of pointers.
private func withCStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) throws(OrtError) -> Result
) throws(OrtError) -> Result {
  let copies = strings.map { strdup($0) }
  defer { copies.forEach { free($0) } }
  let pointers = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: max(copies.count, 1))
  defer { pointers.deallocate() }
  for (index, copy) in copies.enumerated() { pointers[index] = UnsafePointer(copy) }
  return try body(pointers)
}
