package import Synchronization

/// One caller's tensors in, and room for the answer: what travels from the door to an instance and back.
///
/// It lives in memory that its maker owns (a gRPC call, a test, a gateway) and moves by pointer. Exactly one stage holds
/// it at a time; whoever completes it fills `outputs` or `failure` and posts it to `replyTo`, once. Everything it points to
/// lies in `arena`, in the received message, or has an owner of its own.
///
/// ```
/// door ──submit──▶ queue ──▶ instance ──post──▶ replyTo (the door's mailbox)
///   └── cancelled.store(true) at any time: seen when a batch forms, and during the run
/// ```
package struct InferenceRequest: ~Copyable {
  // What was asked.
  package var modelName = UnsafeRawBufferPointer(start: nil, count: 0)
  package var modelVersion = UnsafeRawBufferPointer(start: nil, count: 0)
  package var id = UnsafeRawBufferPointer(start: nil, count: 0)
  package var inputs = UnsafeMutableBufferPointer<Tensor>(start: nil, count: 0)
  /// Empty: all outputs, in the model's order.
  package var requestedOutputs = UnsafeMutableBufferPointer<RequestedOutput>(start: nil, count: 0)
  package var parameters = UnsafeMutableBufferPointer<RequestParameter>(start: nil, count: 0)
  /// Those of the tensors above that lie in shared memory; nil: none does.
  package var sharedTensors: UnsafeMutablePointer<SharedTensor>?

  // Who asks, and how urgently. The bytes are read at the door only.
  /// Value of the `authorization` header; empty: none.
  package var credential = UnsafeRawBufferPointer(start: nil, count: 0)
  /// The caller's identity by its client certificate, in the text form of a principal; empty: none. Counts where there is no
  /// credential.
  package var certificate = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Whether it came from the operator's own network: only then are there endpoints without public network access.
  package var isPrivate = false
  /// The same for all requests that came by one connection, for limits of connections; 0: by none.
  package var connection: UInt = 0
  /// The deployment that must answer, whatever the traffic rule says; empty: none. As `azureml-model-deployment` has it.
  package var pin = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Requests with equal keys go to the same deployment where the endpoint is sticky; empty: none.
  package var routingKey = UnsafeRawBufferPointer(start: nil, count: 0)
  /// 1 is the most urgent; 0: what the model has as its default. Triton's meaning.
  package var priority: UInt8 = 0
  /// A stable number of the caller, for fair shares; 0: nobody in particular.
  package var caller: UInt64 = 0

  // When.
  /// When the request was complete at the door.
  package var arrival = Instant(nanoseconds: 0)
  /// After it, nobody waits for the answer.
  package var deadline = Instant.never
  /// Raised by the door when the caller goes away. Safe from any thread.
  package let cancelled = Atomic<Bool>(false)

  // Filled in by validation and used by the pool.
  /// Length of axis 0 where the model batches, else 1.
  package var rows = 1
  /// Equal for two requests exactly if their non-batch shapes are: only such requests share a batch.
  package var shapeKey: UInt64 = 0
  /// Bit i is set if output i of the signature is wanted.
  package var wantedOutputs: UInt64 = .max
  /// When the pool took it into its queue.
  package var enqueued = Instant(nanoseconds: 0)
  /// Its place in the order of submission, given by the pool.
  package var ticket: UInt64 = 0

  // The answer.
  /// In the order of `requestedOutputs`, or of the model.
  package var outputs = UnsafeMutableBufferPointer<Tensor>(start: nil, count: 0)
  package var failure: InferenceError?
  /// The model and version that answered; UTF-8 that lives as long as the pool does.
  package var answeredVersion = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Name of the deployment that answers, where the endpoint says it; UTF-8 that lives as long as `servedBy`. Else empty.
  package var answeredDeployment = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Set with a refusal that is worth another try: after how long. 0: nobody knows.
  package var retryAfterNanoseconds: UInt64 = 0
  /// Keeps the pool that answered alive until the answer is encoded. Balanced by `releaseAnswer`.
  package var answeredBy: Unmanaged<AnyObject>?
  /// Set by the front door where it must know the deployment again when the answer is there. Retained; the door releases
  /// it.
  package var servedBy: Unmanaged<AnyObject>?
  /// Set by the front door where the answer is compared with another deployment's. Retained; the door releases it.
  package var mirroredBy: Unmanaged<AnyObject>?
  /// Set by the front door where identical requests may wait for this one's answer. The door's own.
  package var flight: UnsafeMutableRawPointer?

  // Where it lives and goes back to.
  package let arena: UnsafeMutablePointer<Arena>
  package let replyTo: Unmanaged<ReplyMailbox>
  /// The door's own: for gRPC, the call.
  package var context: UnsafeMutableRawPointer?
  /// Links requests in a mailbox or a queue; belongs to whoever holds the request.
  package var next: UnsafeMutablePointer<InferenceRequest>?

  package init(arena: UnsafeMutablePointer<Arena>, replyTo: Unmanaged<ReplyMailbox>) {
    self.arena = arena
    self.replyTo = replyTo
  }

  /// Makes a request right in its place: one that another module makes first and then moves there is copied on the way.
  package static func initialize(
    _ request: RequestPointer, arena: UnsafeMutablePointer<Arena>, replyTo: Unmanaged<ReplyMailbox>
  ) {
    request.initialize(to: InferenceRequest(arena: arena, replyTo: replyTo))
  }

  /// Releases what the outputs own. The door calls it when the answer is encoded or thrown away.
  package mutating func releaseAnswer() {
    for output in outputs { output.owner?.release() }
    outputs = UnsafeMutableBufferPointer(start: nil, count: 0)
    failure = nil
    answeredBy?.release()
    answeredBy = nil
  }
}

package typealias RequestPointer = UnsafeMutablePointer<InferenceRequest>

/// An output that a request named, and what it wants of it.
package struct RequestedOutput {
  package var name: UnsafeRawBufferPointer
  /// Number of classes for the classification extension; 0: the tensor itself.
  package var classCount: Int
  /// Index in the signature's outputs, filled in by validation.
  package var index = 0

  package init(name: UnsafeRawBufferPointer, classCount: Int = 0) {
    self.name = name
    self.classCount = classCount
  }
}

/// A request-level parameter, such as `priority` or `sequence_id`.
package struct RequestParameter {
  package enum Value {
    case unset
    case bool(Bool)
    case int64(Int64)
    case uint64(UInt64)
    case double(Double)
    case string(UnsafeRawBufferPointer)
  }

  package var key: UnsafeRawBufferPointer
  package var value: Value

  package init(key: UnsafeRawBufferPointer, value: Value) {
    self.key = key
    self.value = value
  }
}
