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
  private let nextLane = Atomic<Int>(0)

  /// - Parameters:
  ///   - laneCount: At least 1. One carries tens of thousands of requests a second.
  ///   - makeDoor: Makes the door of a lane, by its number.
  /// - Throws: `SystemError` or `InferenceError` if there are no descriptors or threads left.
  package init(laneCount: Int = 1, makeDoor: (Int) -> ServingDoor) throws {
    precondition(laneCount >= 1, "A door without lanes lets nobody in. This is a bug.")
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
      await lane.serve(request)
    } onCancel: {
      lane.cancel(request)
    }
    var outcome: Outcome<Answer>
    switch submission {
    case .refused(let error):
      outcome = Outcome(result: .failure(error), wasAccepted: false)
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
