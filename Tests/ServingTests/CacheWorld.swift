import Inference
import Pools
import ScriptedBackend
import Serving
import Testing

/// Doors with one response cache in front of a scripted model that asks for it.
final class CacheWorld {
  let served: Served
  let board = ServingBoard()
  let admission = Admission(limit: 1000)
  let cache: ResponseCache
  let door: ServingDoor

  init(
    script: String = "", limitBytes: Int = 1 << 20, mostWaiting: Int = 1024, limits: PoolLimits = PoolLimits(),
    configure: (inout ModelConfiguration) -> Void = { _ in }
  ) throws {
    served = try Served(script: script, limits: limits) {
      $0.usesResponseCache = true
      configure(&$0)
    }
    board.publish(snapshot([served.deployment]))
    cache = ResponseCache(limitBytes: limitBytes, mostWaiting: mostWaiting)
    door = ServingDoor(board: board, admission: admission, cache: cache)
  }

  /// The door of another event loop.
  func makeDoor() -> ServingDoor { ServingDoor(board: board, admission: admission, cache: cache) }

  var gates: Gates { served.gates }
  var statistics: PoolStatistics { served.deployment.pool.statistics }
  var runs: UInt64 { statistics.executionCount }

  /// How many runs it takes to answer a request.
  func runs(for request: OwnedRequest) throws -> UInt64 {
    let before = runs
    _ = try door.answer(request)
    return runs - before
  }

  /// Has a request of other values run, and wait at the gate: what is submitted from now on stays in the queue.
  func occupy(gate: String, values: [Float] = [-1, -1]) throws -> OwnedRequest {
    let blocker = try request(values: values)
    try submit(blocker)
    gates.awaitWaiting(at: gate)
    return blocker
  }

  func submit(_ request: OwnedRequest, to other: ServingDoor? = nil) throws {
    let door = other ?? door
    try #require(door.submit(request.pointer, now: .now()) == .accepted)
    door.endOfTurn()
  }

  /// Waits for a request and ends its stay.
  func take(_ request: OwnedRequest, at other: ServingDoor? = nil) -> Result<[Float], InferenceError> {
    let door = other ?? door
    request.wait()
    door.prepareAnswer(request.pointer)
    let values = request.outputs.first?.elements(as: Float.self) ?? []
    let result: Result<[Float], InferenceError> = request.failure.map { .failure($0) } ?? .success(values)
    door.finish(request.pointer)
    door.endOfTurn()
    return result
  }

  func end() async {
    #expect(admission.requestsInFlight == 0)
    #expect(cache.heldBytes <= cache.limitBytes)
    await served.deployment.pool.drain()
  }
}

extension Result where Failure == InferenceError {
  var failureCode: InferenceError.Code? {
    if case .failure(let error) = self { return error.code }
    return nil
  }
}
