/// How ONNX Runtime is found and used in this process: what the server's configuration says, for every model alike.
///
/// A model's own configuration comes first where both say something.
package struct ONNXOptions: Sendable {
  /// Where models run that do not say it themselves.
  package enum Provider: Sendable, Hashable { case cpu, cuda }

  /// How much of a model's graph is rewritten before it runs.
  package enum GraphLevel: Int32, Sendable, Hashable {
    case none = 0
    case basic = 1
    case extended = 2
    case all = 99
  }

  /// The library, or the folder it lies in. Nil: `APUS_ONNXRUNTIME`, then beside the program, then the system's loader.
  package var libraryPath: String?
  package var provider = Provider.cpu
  /// Folders with CUDA's libraries, opened before CUDA is first asked for. Empty: the system's loader finds them.
  package var cudaLibraryFolders: [String] = []
  /// Threads that share one operator, the caller's among them; 0: one a core. One is best where instances run beside
  /// each other.
  package var intraOpThreads = 1
  /// Threads that run independent operators of one graph, where a model's `execution_mode` is 1.
  package var interOpThreads = 1
  package var graphLevel = GraphLevel.all
  /// Whether memory for intermediate tensors is kept for the next run.
  package var usesArena = true
  /// Instances of a model on the CPU where its configuration does not say; 0: one a core.
  package var cpuInstanceCount = 0
  /// Gets the library's own lines, warnings and worse, on whichever thread they come up. The library has one log a
  /// process: it is the backend that opens it that gets them.
  package var log: @Sendable (ONNXLogSeverity, String) -> Void

  package init(log: @escaping @Sendable (ONNXLogSeverity, String) -> Void = { _, _ in }) { self.log = log }
}

/// How bad a line of the library's log is.
package enum ONNXLogSeverity: Int32, Sendable, Hashable {
  case verbose, info, warning, error, fatal
}
