internal import Control
internal import GRPC
internal import Inference
internal import Serving
internal import Wire

/// `grpc.health.v1.Health` on one event loop: Check, Watch and List.
///
/// The empty name is the server: SERVING when it is ready and not stopping. A model's name is that model, and the
/// inference service's own name is the same as the server. Source: gRPC, health-checking.md.
final class HealthService {
  static let name = "grpc.health.v1.Health"

  private let state: ServerState
  private let door: ServingDoor
  private var watches: [ObjectIdentifier: HealthWatch] = [:]

  init(_ state: ServerState, _ door: ServingDoor) {
    self.state = state
    self.door = door
  }

  func add(to table: inout MethodTable) {
    table.add(Self.name, "Check", messageMethod { [self] (request: HealthCheckRequest, call) throws(InferenceError) in
      guard let status = status(of: request.service, isPrivate: call.isPrivate) else {
        throw .notFound("health of '\(request.service)' was asked for; it is neither this server nor a model of it")
      }
      return HealthCheckResponse(status: status)
    })
    table.add(Self.name, "List", messageMethod { [self] (_: HealthListRequest, call) throws(InferenceError) in
      HealthListResponse(statuses: try all(isPrivate: call.isPrivate).mapValues { HealthCheckResponse(status: $0) })
    })
    table.add(Self.name, "Watch", WatchMethod(self))
  }

  /// Sends what changed to everyone who watches. Called on the loop's thread after each change.
  func changed() { for watch in watches.values { watch.update() } }

  /// Nil for a name that nobody has; and for an endpoint that asks for a credential, since a probe has none.
  fileprivate func status(of service: String, isPrivate: Bool) -> HealthCheckResponse.ServingStatus? {
    if service.isEmpty || service == inferenceService || service == Self.name {
      return !state.isStopping && state.models.isServerReady ? .serving : .notServing
    }
    guard door.isOpen(service, isPrivate: isPrivate) else { return nil }
    do throws(InferenceError) {
      try state.models.checkReady(service)
      return state.isStopping ? .notServing : .serving
    } catch {
      return error.code == .notFound ? nil : .notServing
    }
  }

  private func all(isPrivate: Bool) throws(InferenceError) -> [String: HealthCheckResponse.ServingStatus] {
    var statuses: [String: HealthCheckResponse.ServingStatus] = [:]
    for name in ["", inferenceService] { statuses[name] = status(of: name, isPrivate: isPrivate) }
    for entry in try state.models.index() {
      statuses[entry.name] = status(of: entry.name, isPrivate: isPrivate) ?? .notServing
    }
    // As gRPC's own servers do, rather than an answer of any size.
    guard statuses.count <= 100 else {
      throw .resourceExhausted("there are \(statuses.count) services; a list has at most 100, check each by its name")
    }
    return statuses
  }

  fileprivate var isStopping: Bool { state.isStopping }

  fileprivate func begin(_ watch: HealthWatch) { watches[ObjectIdentifier(watch)] = watch }
  fileprivate func end(_ watch: HealthWatch) { watches[ObjectIdentifier(watch)] = nil }
}

private final class WatchMethod: StreamMethod {
  private let service: HealthService
  init(_ service: HealthService) { self.service = service }
  func open(_ stream: ServerStream) -> any StreamHandler { HealthWatch(stream, service) }
}

/// One client that wants to hear of every change.
private final class HealthWatch: StreamHandler {
  private let stream: ServerStream
  private unowned let service: HealthService
  private var watched: String?
  private var last: HealthCheckResponse.ServingStatus?

  init(_ stream: ServerStream, _ service: HealthService) {
    self.stream = stream
    self.service = service
  }

  func receive(_ message: MessageBuffer) {
    defer { stream.recycle(message) }
    guard watched == nil else {
      service.end(self)
      return stream.finish(GRPCStatus(.invalidArgument, "a Watch call takes one request; a second one came"))
    }
    do throws(InferenceError) {
      watched = try HealthCheckRequest(decoding: UnsafeRawBufferPointer(message.bytes)).service
    } catch {
      return stream.finish(GRPCStatus(error))
    }
    service.begin(self)
    update()
  }

  func receiveEnd() {
    if watched == nil { stream.finish(GRPCStatus(.unimplemented, "a Watch call takes one request; none came")) }
  }

  func cancelled() { service.end(self) }

  func update() {
    guard let watched, !stream.isCongested else { return }
    let status = service.status(of: watched, isPrivate: stream.isPrivate) ?? .serviceUnknown
    guard status != last else { return endIfStopping() }
    last = status
    stream.send(HealthCheckResponse(status: status).encoded())
    endIfStopping()
  }

  func drained() { update() }

  /// A watch has no end of its own, and would hold a drain up for its whole grace.
  private func endIfStopping() {
    guard service.isStopping else { return }
    service.end(self)
    stream.finish(GRPCStatus(.unavailable, "the server is stopping"))
  }
}
