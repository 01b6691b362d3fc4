package import Access
package import Control
internal import EventLoops
package import GRPC
internal import Inference
package import Serving

let inferenceService = "inference.GRPCInferenceService"

/// All services on one event loop.
package final class Services {
  private let health: HealthService
  private let door: ServingDoor
  package let methods: MethodTable

  /// Makes the handlers of one loop. A new service is one file and one line here.
  ///
  /// - Parameter verification: Asked about credentials that the door does not know; nil: they are not taken.
  package init(
    on grpc: GRPCLoop, door: ServingDoor, state: ServerState, verification: CredentialVerification? = nil,
    control: (plane: ControlPlane, addresses: @Sendable () -> ControlAddresses)? = nil
  ) throws {
    self.door = door
    let desk = VerificationDesk(on: grpc.eventLoop, door: door, verification: verification)
    health = HealthService(state, door)
    var table = MethodTable()
    table.addServerMethods(state, door)
    table.addModelMethods(state, door, desk)
    let unary = try ModelInfer(on: grpc, door: door, desk: desk, state: state)
    let streamed = try ModelStreamInfer(on: grpc, door: door, desk: desk, state: state)
    table.add(inferenceService, "ModelInfer", unary)
    table.add(inferenceService, "ModelStreamInfer", streamed)
    table.addModelStatistics(state, door, desk)
    table.addRepositoryMethods(state)
    table.addSharedMemoryMethods(door)
    table.addLogSettings(state)
    health.add(to: &table)
    var names = [inferenceService, HealthService.name]
    if let control {
      ControlService.add(to: &table, control.plane, addresses: control.addresses)
      names.append(ControlService.name)
    }
    let reflection = ReflectionMethod(services: names + ReflectionMethod.names)
    for name in ReflectionMethod.names { table.add(name, "ServerReflectionInfo", reflection) }
    methods = table
    let turnEnd = TurnEnd(loop: grpc.eventLoop, door: door, receivers: [unary.receiver, streamed.receiver])
    grpc.eventLoop.atEndOfTurn { turnEnd.run() }
  }

  /// Something about the models or the server's state changed. Called on the loop's thread.
  package func stateChanged() {
    door.refresh()
    health.changed()
  }
}

/// Sets the models to work that got something in a turn, and takes in the answers of those that ran right there.
private struct TurnEnd {
  /// How long models may run on the event loop at the end of one turn. In such a time its sockets gather what the next
  /// turn reads at once, and no client notices.
  private static let inlineNanoseconds: UInt64 = 1_000_000

  let loop: EventLoop
  let door: ServingDoor
  let receivers: [ReplyReceiver]

  func run() {
    guard door.hasWork else { return }
    for receiver in receivers { receiver.expect() }
    door.endOfTurn(until: Instant.now().advanced(byNanoseconds: Self.inlineNanoseconds))
    for receiver in receivers { receiver.collect() }
    // An answer makes room on its stream, and more requests may have come in for it.
    if door.hasWork { loop.turnAgain() }
  }
}
