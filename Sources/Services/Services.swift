internal import EventLoops
package import GRPC
package import Serving

let inferenceService = "inference.GRPCInferenceService"

/// All services on one event loop.
package final class Services {
  private let health: HealthService
  private let door: ServingDoor
  package let methods: MethodTable

  /// Makes the handlers of one loop. A new service is one file and one line here.
  package init(on grpc: GRPCLoop, door: ServingDoor, state: ServerState) throws {
    self.door = door
    health = HealthService(state)
    var table = MethodTable()
    table.addServerMethods(state)
    table.addModelMethods(state)
    table.add(inferenceService, "ModelInfer", try ModelInfer(on: grpc, door: door, state: state))
    table.add(inferenceService, "ModelStreamInfer", try ModelStreamInfer(on: grpc, door: door, state: state))
    table.addModelStatistics(state)
    table.addRepositoryMethods(state)
    health.add(to: &table)
    let reflection = ReflectionMethod(services: [inferenceService, HealthService.name] + ReflectionMethod.names)
    for name in ReflectionMethod.names { table.add(name, "ServerReflectionInfo", reflection) }
    methods = table
    grpc.eventLoop.atEndOfTurn { door.endOfTurn() }
  }

  /// Something about the models or the server's state changed. Called on the loop's thread.
  package func stateChanged() {
    door.refresh()
    health.changed()
  }
}
