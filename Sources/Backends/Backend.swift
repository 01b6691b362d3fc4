package import Inference

/// The code that loads one kind of model. One a process; the composition names them all.
package protocol Backend: Sendable {
  /// As `backend` in a configuration names it, such as `onnxruntime`.
  var name: String { get }
  /// As `platform` names it, such as `onnxruntime_onnx`.
  var platform: String { get }
  /// The file a version directory must hold where the configuration names none, such as `model.onnx`.
  var defaultModelFilename: String { get }

  /// Loads a model once; its instances share what they can. Blocks for as long as that takes.
  ///
  /// - Parameter path: The model file.
  /// - Throws: `.invalidArgument` if the file is not a model this backend can run, with the file and the reason;
  ///   `.unavailable` if something the model needs is missing here (a library, a device), with the remedy.
  func load(path: String, configuration: ModelConfiguration) throws(InferenceError) -> any LoadedModel
}

/// A model in memory: weights loaded, ready to make instances.
package protocol LoadedModel: AnyObject, Sendable {
  /// As the model itself says, completed by the configuration where the model leaves something open.
  var signature: ModelSignature { get }

  /// Makes instance number `index`. Called on the thread that will use it.
  func makeInstance(index: Int) throws(InferenceError) -> any ModelInstance

  /// Whether an instance may run on any thread, one at a time, rather than only on the one that made it.
  var runsOnAnyThread: Bool { get }

  /// How many instances suit the device when the configuration does not say.
  var suggestedInstanceCount: Int { get }
  /// Bytes of memory that the model holds, by device, where the backend knows.
  var memoryUsage: [MemoryUsage] { get }
  /// Where it runs, for people, such as `CPUExecutionProvider: 94 nodes`.
  var placement: String { get }
}

/// Bytes held on one device. Source: Triton's `MemoryUsage`.
package struct MemoryUsage: Hashable, Sendable {
  /// `CPU`, `CPU_PINNED` or `GPU`.
  package var kind: String
  package var device: Int
  package var byteCount: UInt64
  package init(kind: String, device: Int, byteCount: UInt64) {
    self.kind = kind
    self.device = device
    self.byteCount = byteCount
  }
}

/// One loaded copy that runs one batch at a time; on the thread that made it, unless its model `runsOnAnyThread`.
package protocol ModelInstance: AnyObject {
  /// Runs one batch.
  ///
  /// - Parameters:
  ///   - inputs: One tensor for each input of the signature, in its order, axis 0 being the batch where the model
  ///     batches. Bytes are aligned to the element size at least, and stay valid until the call returns.
  ///   - wanted: Bit i is set if output i of the signature is wanted.
  ///   - outputs: Room for one tensor for each output of the signature, in its order. The instance sets those that are
  ///     wanted; `shape` and `bytes` point into memory that `owner` (retained once for the caller) keeps alive, and
  ///     `name` is left to the caller.
  /// - Throws: `.invalidArgument` for what the caller's tensors caused, `.cancelled` after `interrupt()`, `.internal`
  ///   otherwise, with the backend's own words.
  func run(
    inputs: UnsafeBufferPointer<Tensor>, wanted: UInt64, outputs: UnsafeMutableBufferPointer<Tensor>
  ) throws(InferenceError)

  /// What can be called from any thread to stop a run, if the backend can stop one.
  var interruption: (any Interruption)? { get }
}

/// A way to stop an instance's current run from another thread.
package protocol Interruption: AnyObject, Sendable {
  /// Makes the current run, if there is one, fail soon with `.cancelled`.
  func interrupt()
  /// Forgets an earlier `interrupt()`, so that the next run runs. Called before each run by the instance's thread.
  func reset()
}
