package import Access
internal import EventLoops
package import Inference
package import Serving
internal import Synchronization
internal import Threads

/// The way from Swift's tasks to the pools and back: a task waits here while its request is served.
///
/// Each lane is a thread with an event loop and a front door of its own, as gRPC's loops have. A task hands its request to
/// a lane, is resumed when the answer is there, writes the answer on its own thread, and gives the request back to the
/// lane, which ends its stay.
///
/// ```
/// task ──infer──▶ lane: door.submit ─▶ pool … mailbox ─▶ lane: door.prepareAnswer ──▶ task: write ──▶ lane: door.finish
/// ```
package final class GatewayDoor: Sendable {
  /// What became of a request.
  package struct Outcome<Answer: Sendable>: Sendable {
    package var result: Result<Answer, InferenceError>
    /// Whether a pool had it: then an `.internal` failure is the model's.
    package var wasAccepted: Bool
    /// Who answered, where the endpoint says it; else empty.
    package var deployment = ""
    /// After how long a refused request is worth another try; 0: nobody knows.
    package var retryAfterNanoseconds: UInt64 = 0
    /// From the submission to the answer.
    package var servedNanoseconds: UInt64 = 0
  }

  private let lanes: [DoorLane]
  private let verification: CredentialVerification?
  private let nextLane = Atomic<Int>(0)
  /// A credential whose verdict is void as soon as it is there, because rights change all the time, is refused after so
  /// many.
  private static let maxVerifications = 3

  /// - Parameters:
  ///   - laneCount: At least 1. One carries tens of thousands of requests a second.
  ///   - verification: Asked about credentials that a lane does not know; nil: they are not taken.
  ///   - makeDoor: Makes the door of a lane, by its number.
  /// - Throws: `SystemError` or `InferenceError` if there are no descriptors or threads left.
  package init(
    laneCount: Int = 1, verification: CredentialVerification? = nil, makeDoor: (Int) -> ServingDoor
  ) throws {
    precondition(laneCount >= 1, "A door without lanes lets nobody in. This is a bug.")
    self.verification = verification
    lanes = try (0..<laneCount).map { try DoorLane(index: $0, door: makeDoor($0)) }
  }

  /// A request to fill, on the lane that has its turn.
  package func makeRequest() -> GatewayRequest {
    let turn = nextLane.wrappingAdd(1, ordering: .relaxed).oldValue
    let index = Int(UInt(bitPattern: turn) % UInt(lanes.count))
    return GatewayRequest(mailbox: lanes[index].mailbox, lane: index)
  }

  /// Has a request served. A task that is cancelled takes its request back as far as it can, and still waits for it.
  ///
  /// - Parameter write: Makes the answer while the request's outputs are there; called unless the request failed.
  package func infer<Answer: Sendable>(
    _ request: GatewayRequest, write: (RequestPointer) throws(InferenceError) -> Answer
  ) async -> Outcome<Answer> {
    let lane = lanes[request.lane]
    let start = Instant.now()
    let submission = await withTaskCancellationHandler {
      await serve(request, on: lane)
    } onCancel: {
      lane.cancel(request)
    }
    var outcome: Outcome<Answer>
    switch submission {
    case .refused(let error):
      outcome = Outcome(result: .failure(error), wasAccepted: false)
    case .needsVerification:
      outcome = Outcome(result: .failure(InferenceError(CredentialRefusal.unverifiable)), wasAccepted: false)
    case .answered:
      do throws(InferenceError) {
        if let failure = request.pointer.pointee.failure { throw failure }
        outcome = Outcome(result: .success(try write(request.pointer)), wasAccepted: true)
      } catch {
        outcome = Outcome(result: .failure(error), wasAccepted: true)
      }
      outcome.deployment = String(decoding: request.pointer.pointee.answeredDeployment, as: UTF8.self)
      lane.finish(request)
    }
    outcome.retryAfterNanoseconds = request.pointer.pointee.retryAfterNanoseconds
    outcome.servedNanoseconds = Instant.now().nanoseconds(since: start)
    return outcome
  }

  private func serve(_ request: GatewayRequest, on lane: DoorLane) async -> DoorLane.Submission {
    for _ in 0..<Self.maxVerifications {
      let submission = await lane.serve(request)
      guard case .needsVerification(let need) = submission else { return submission }
      guard await verify(need, on: lane) else { return submission }
    }
    return .needsVerification(nil)
  }

  /// Whether a caller may look at an endpoint that it scores, or at a repository's model.
  ///
  /// - Parameters:
  ///   - authorization: Value of the header; empty where there is none.
  ///   - certificate: Who the caller is by its client certificate; empty: nobody knows.
  ///   - isPrivate: Whether the caller comes from the operator's own network.
  /// - Throws: `.unauthenticated` or `.permissionDenied`, which never say whether the endpoint exists; `.unavailable` if
  ///   the credential can't be verified now.
  package func checkAccess(
    _ endpoint: String, authorization: String, certificate: String, isPrivate: Bool
  ) async throws(InferenceError) {
    for _ in 0..<Self.maxVerifications {
      switch await lanes[0].checkAccess(
        endpoint, authorization: authorization, certificate: certificate, isPrivate: isPrivate) {
      case nil, .answered: return
      case .refused(let error): throw error
      case .needsVerification(let need):
        guard await verify(need, on: lanes[0]) else { throw InferenceError(CredentialRefusal.unverifiable) }
      }
    }
    throw InferenceError(CredentialRefusal.unverifiable)
  }

  /// - Returns: Whether it is worth another try.
  private func verify(_ need: VerificationNeed?, on lane: DoorLane) async -> Bool {
    guard let need else { return true }
    guard let verification else { return false }
    lane.remember(await verification(need.credential, need.endpoint, need.access), for: need)
    return true
  }

  /// Takes a request back as far as it can be: whoever waits for it hears of it.
  package func cancel(_ request: GatewayRequest) { lanes[request.lane].cancel(request) }

  /// Says that what is served has changed, so that idle lanes keep nothing alive.
  package func stateChanged() {
    for lane in lanes { lane.stateChanged() }
  }

  /// Takes nothing new, and ends the threads when what is in is answered.
  package func stop() {
    for lane in lanes { lane.stop() }
  }
}
