internal import Access
internal import EventLoops
internal import Inference
internal import Serving

/// Where calls of one event loop wait while the credentials that they came with are verified.
///
/// Calls with the same credential for the same endpoint wait for one verification together.
final class VerificationDesk {
  /// Most calls of one loop that wait for a verification.
  static let maxWaiting = 1024
  /// How often one call is verified: what was verified may be void again when it is to be used.
  static let maxAttempts = 3

  private struct Key: Hashable {
    var credential: PresentedCredential
    var endpoint: UInt64
    var generation: UInt64
  }

  private let loop: EventLoop
  private let door: ServingDoor
  private let verification: CredentialVerification?
  private var waiting: [Key: [() -> Void]] = [:]
  private var waitingCount = 0

  init(on loop: EventLoop, door: ServingDoor, verification: CredentialVerification?) {
    self.loop = loop
    self.door = door
    self.verification = verification
  }

  /// Has a credential verified, and runs `resume` on the loop when the door knows it.
  ///
  /// - Returns: Why it can't be verified now; `resume` is not run then.
  func verify(
    _ endpoint: UnsafeRawBufferPointer, authorization: UnsafeRawBufferPointer, certificate: UnsafeRawBufferPointer,
    isPrivate: Bool, attempt: Int, resume: @escaping () -> Void
  ) -> InferenceError? {
    guard let verification, attempt < Self.maxAttempts,
      let need = door.verificationNeed(
        endpoint, authorization: authorization, certificate: certificate, isPrivate: isPrivate)
    else { return InferenceError(.unverifiable) }
    guard waitingCount < Self.maxWaiting else {
      return .resourceExhausted("\(waitingCount) calls wait for their credentials to be verified; that is the limit")
    }
    waitingCount += 1
    let key = Key(credential: need.credential, endpoint: need.access.endpoint, generation: need.access.generation)
    let isUnderWay = waiting[key] != nil
    waiting[key, default: []].append(resume)
    if isUnderWay { return nil }
    let counter = Counter(desk: self, loop: loop)
    Task {
      let verdict = await verification(need.credential, need.endpoint, need.access)
      counter.finish(need, verdict)
    }
    return nil
  }

  private func finish(_ need: VerificationNeed, _ verdict: CredentialVerdict) {
    door.remember(verdict, for: need)
    let key = Key(credential: need.credential, endpoint: need.access.endpoint, generation: need.access.generation)
    guard let resumed = waiting.removeValue(forKey: key) else { return }
    waitingCount -= resumed.count
    for resume in resumed { resume() }
  }

  /// Brings a verdict back to the loop.
  private struct Counter: @unchecked Sendable {  // the desk is touched on its loop only
    let desk: VerificationDesk
    let loop: EventLoop

    func finish(_ need: VerificationNeed, _ verdict: CredentialVerdict) {
      loop.execute { desk.finish(need, verdict) }
    }
  }
}
