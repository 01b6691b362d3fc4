internal import CONNXRuntime
internal import Inference

extension Runtime {
  /// Makes the library's session options from `settings`. The caller releases them.
  ///
  /// - Throws: `.invalidArgument` if the library refuses a setting; `.unavailable` if CUDA is wanted and can't be had.
  func makeSessionOptions(
    _ settings: SessionSettings, name: String, cudaLibraryFolders: [String]
  ) throws(InferenceError) -> OpaquePointer {
    let raw: OpaquePointer
    do throws(OrtError) {
      raw = try api.create { api.CreateSessionOptions($0) }
    } catch {
      throw .internal("ONNX Runtime can't make session options: \(error.message)")
    }
    do throws(InferenceError) {
      try apply(settings, name: name, to: raw)
      if case .cuda(let index) = settings.device {
        preloadCUDA(from: cudaLibraryFolders)
        try appendCUDA(to: raw, device: index, options: settings.cudaOptions)
      }
      return raw
    } catch {
      api.ReleaseSessionOptions(raw)
      throw error
    }
  }

  private func apply(_ settings: SessionSettings, name: String, to raw: OpaquePointer) throws(InferenceError) {
    do throws(OrtError) {
      try api.check(api.SetSessionLogId(raw, name))
      try api.check(api.SetSessionGraphOptimizationLevel(raw, settings.graphLevel.rawValue))
      try api.check(api.SetIntraOpNumThreads(raw, Int32(settings.intraOpThreads)))
      try api.check(api.SetInterOpNumThreads(raw, Int32(settings.interOpThreads)))
      try api.check(api.SetSessionExecutionMode(raw, settings.runsOperatorsInParallel ? 1 : 0))
      // Arena and memory pattern are on where nothing is said.
      if !settings.usesArena { try api.check(api.DisableCpuMemArena(raw)) }
      if !settings.usesMemoryPattern { try api.check(api.DisableMemPattern(raw)) }
      if api.Session_GetEpGraphAssignmentInfo != nil {
        try api.check(api.AddSessionConfigEntry(raw, "session.record_ep_graph_assignment_info", "1"))
      }
    } catch {
      throw .internal("ONNX Runtime refuses a setting: \(error.message)")
    }
    for (key, value) in settings.entries {
      do throws(OrtError) {
        try api.check(api.AddSessionConfigEntry(raw, key, value))
      } catch {
        throw .invalidArgument("ONNX Runtime refuses parameter '\(key)': \(error.message)")
      }
    }
  }
}
