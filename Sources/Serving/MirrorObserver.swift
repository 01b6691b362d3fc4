package import Inference

/// Gets each pair of answers to a request that a live deployment and its shadow both had.
package protocol MirrorObserver: AnyObject, Sendable {
  /// Called on the mirror's thread, one pair at a time; what takes long here holds the mirror up, and nothing else. The
  /// tensors are valid until it returns.
  func observe(_ pair: borrowing MirroredPair)
}

/// Two answers to one request.
package struct MirroredPair: ~Copyable {
  package enum Shadow {
    /// In the order of the live outputs.
    case outputs(UnsafeBufferPointer<Tensor>)
    case failure(InferenceError)
  }

  package let endpoint: String
  /// What the caller called its request; mostly empty.
  package let requestID: UnsafeRawBufferPointer
  package let liveDeployment: String
  package let shadowDeployment: String
  /// What the caller got, as tensors: before classes were made of them.
  package let live: UnsafeBufferPointer<Tensor>
  package let shadow: Shadow
}

/// What became of the copies that a mirror was to send.
package struct MirrorCounts: Hashable, Sendable {
  /// Why a copy was not sent, or not compared.
  package enum Drop: Int, Sendable, CaseIterable {
    /// `MirrorLimits.maxRequests` were on their way.
    case requestLimit
    /// `MirrorLimits.maxBytes` were in memory.
    case byteLimit
    /// More than half of the requests that the server admits were in flight.
    case serverBusy
    /// More requests waited for the live deployment than its instances take in a turn.
    case liveBusy
    /// The shadow's queue was more than half full.
    case shadowBusy
    /// The shadow's limits refused it, or its pool.
    case refused
    /// The shadow was going away, or the server.
    case draining
    /// The answers' bytes were over `MirrorLimits.maxBytes`: sent, but not compared.
    case notCompared
  }

  /// Given to the shadow.
  package var sent: UInt64 = 0
  package var answered: UInt64 = 0
  /// Answered with an error, or refused by the shadow as invalid.
  package var failed: UInt64 = 0
  package var compared: UInt64 = 0
  var drops: [UInt64] = Array(repeating: 0, count: Drop.allCases.count)

  package init() {}

  package subscript(drop: Drop) -> UInt64 { drops[drop.rawValue] }
  /// Copies that were to be sent, and were not.
  package var dropped: UInt64 { drops.reduce(0, +) - self[.notCompared] }
}

/// What mirrored requests may take of a server.
package struct MirrorLimits: Hashable, Sendable {
  /// Most copies on their way, from the live request to the shadow's answer.
  package var maxRequests = 256
  /// Most bytes of copied tensors in memory.
  package var maxBytes = 64 << 20
  /// How long a shadow may take for a copy, where its own request timeout isn't shorter.
  package var timeout = Duration.seconds(30)

  package init() {}
}
