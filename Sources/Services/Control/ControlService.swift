internal import Access
internal import Control
internal import Documents
internal import EventLoops
internal import GRPC
internal import Inference
internal import Wire

/// `apus.control.v1.ControlService`: the control plane's resources over gRPC.
enum ControlService {
  static let name = "apus.control.v1.ControlService"

  /// - Parameter addresses: What addresses in the answers begin with; asked for each.
  static func add(
    to table: inout MethodTable, _ plane: ControlPlane, addresses: @escaping @Sendable () -> ControlAddresses
  ) {
    let methods: [(String, ControlRequest.Method)] = [
      ("Get", .get), ("Put", .put), ("Patch", .patch), ("Delete", .delete), ("Act", .post),
    ]
    for (name, method) in methods {
      table.add(ControlService.name, name, ControlMethod(method, plane, addresses))
    }
    table.add(ControlService.name, "WatchOperation", WatchOperationMethod(plane, addresses))
  }
}

/// How this server is reached, for the addresses in resources.
package struct ControlAddresses: Sendable {
  package var control: String
  package var scoring: String
  /// That of endpoints without public network access; nil: the same.
  package var privateScoring: String?

  package init(control: String, scoring: String, privateScoring: String? = nil) {
    self.control = control
    self.scoring = scoring
    self.privateScoring = privateScoring
  }
}

/// One of the methods on resources. Works in a task, and answers on the call's own loop.
private final class ControlMethod: UnaryMethod {
  private let method: ControlRequest.Method
  private let plane: ControlPlane
  private let addresses: @Sendable () -> ControlAddresses

  init(
    _ method: ControlRequest.Method, _ plane: ControlPlane, _ addresses: @escaping @Sendable () -> ControlAddresses
  ) {
    self.method = method
    self.plane = plane
    self.addresses = addresses
  }

  func handle(_ call: UnaryCall) {
    guard call.notable.contains(.controlAddress) else { return call.fail(.notServedHere) }
    let waiting = WaitingCall(call: call, loop: call.raw.pointee.loop.takeUnretainedValue().eventLoop)
    let message = Array(call.message)
    let credential = Credential(call.metadata("authorization"), certificate: call.certificate)
    Task { [method, plane, addresses] in
      do throws(GRPCStatus) {
        let response = try await ControlMethod.respond(to: message, method, credential, plane, addresses())
        waiting.answer { $0.reply(response) }
      } catch {
        let status = error
        waiting.answer { $0.fail(status) }
      }
    }
  }

  private static func respond(
    to message: [UInt8], _ method: ControlRequest.Method, _ credential: Credential, _ plane: ControlPlane,
    _ addresses: ControlAddresses
  ) async throws(GRPCStatus) -> [UInt8] {
    do {
      let request = try ResourceRequest(decoding: message)
      let body = request.body.isEmpty ? nil : try Document(json: request.body)
      let asked = ControlRequest(
        method: method, path: request.path.split(separator: "/").map(String.init),
        query: Dictionary(request.query.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 }), body: body,
        ifMatch: request.ifMatch.isEmpty ? nil : request.ifMatch,
        ifNoneMatch: request.ifNoneMatch.isEmpty ? nil : request.ifNoneMatch,
        principal: try await credential.principal(on: plane), baseAddress: addresses.control,
        scoringAddress: addresses.scoring, privateScoringAddress: addresses.privateScoring)
      let answer = try await plane.handle(asked)
      return ResourceResponse(
        status: Int32(answer.status), body: answer.body?.json() ?? "", etag: answer.etag ?? "",
        operation: answer.operation ?? "", warnings: answer.warnings
      ).encoded()
    } catch let error as ControlError {
      throw GRPCStatus(error)
    } catch let error as InferenceError {
      throw GRPCStatus(error)
    } catch let error as DocumentError {
      throw GRPCStatus(.invalidArgument, "body: \(error)")
    } catch {
      throw GRPCStatus(.internal, "\(error)")
    }
  }

  private struct WaitingCall: @unchecked Sendable {  // the call is touched on its loop's thread only
    let call: UnaryCall
    let loop: EventLoop

    func answer(_ body: @escaping @Sendable (UnaryCall) -> Void) {
      loop.execute { body(call) }
    }
  }
}

/// Sends the state of an operation whenever it changes, until it has ended.
private final class WatchOperationMethod: StreamMethod {
  private let plane: ControlPlane
  private let addresses: @Sendable () -> ControlAddresses

  init(_ plane: ControlPlane, _ addresses: @escaping @Sendable () -> ControlAddresses) {
    self.plane = plane
    self.addresses = addresses
  }

  func open(_ stream: ServerStream) -> any StreamHandler { OperationWatch(stream, plane, addresses) }
}

private final class OperationWatch: StreamHandler {
  /// How often a running operation is looked at.
  private static let interval = Duration.milliseconds(200)

  private let stream: ServerStream
  private let plane: ControlPlane
  private let addresses: @Sendable () -> ControlAddresses
  private var task: Task<Void, Never>?
  private var isOver = false

  init(_ stream: ServerStream, _ plane: ControlPlane, _ addresses: @escaping @Sendable () -> ControlAddresses) {
    self.stream = stream
    self.plane = plane
    self.addresses = addresses
  }

  func receive(_ message: MessageBuffer) {
    defer { stream.recycle(message) }
    guard stream.notable.contains(.controlAddress) else { return finish(.notServedHere) }
    guard task == nil else { return finish(GRPCStatus(.invalidArgument, "a second request came: expected one")) }
    let request: WatchOperationRequest
    do throws(InferenceError) {
      request = try WatchOperationRequest(decoding: UnsafeRawBufferPointer(message.bytes))
    } catch { return finish(GRPCStatus(error)) }
    let credential = Credential(stream.metadata("authorization"), certificate: stream.certificate)
    let watcher = Watcher(watch: self, loop: stream.eventLoop)
    task = Task { [plane, addresses] in
      await watcher.run(plane, addresses(), request.operation, credential, every: OperationWatch.interval)
    }
  }

  func receiveEnd() { if task == nil { finish(GRPCStatus(.invalidArgument, "no request came: expected one")) } }

  func cancelled() {
    isOver = true
    task?.cancel()
  }

  fileprivate func send(_ message: [UInt8]) { if !isOver { stream.send(message) } }

  fileprivate func finish(_ status: GRPCStatus = .ok) {
    guard !isOver else { return }
    isOver = true
    stream.finish(status)
  }

  /// Carries what the task finds to the stream's loop.
  private struct Watcher: @unchecked Sendable {  // the watch is touched on its loop's thread only
    let watch: OperationWatch
    let loop: EventLoop

    func run(
      _ plane: ControlPlane, _ addresses: ControlAddresses, _ operation: String, _ credential: Credential,
      every interval: Duration
    ) async {
      var last: Document?
      do {
        let principal = try await credential.principal(on: plane)
        while true {
          let answer = try await plane.handle(
            ControlRequest(
              method: .get, path: ["operations", operation], principal: principal, baseAddress: addresses.control,
              scoringAddress: addresses.scoring))
          if answer.body != last {
            last = answer.body
            let message = ResourceResponse(status: Int32(answer.status), body: answer.body?.json() ?? "").encoded()
            loop.execute { watch.send(message) }
          }
          // It says when to ask again for as long as it goes on.
          guard answer.retryAfterSeconds != nil else { return loop.execute { watch.finish() } }
          try await Task.sleep(for: interval)
        }
      } catch let error as ControlError {
        loop.execute { watch.finish(GRPCStatus(error)) }
      } catch {
        loop.execute { watch.finish(GRPCStatus(.cancelled, "the watch was cancelled")) }
      }
    }
  }
}

/// What a call shows of its caller, copied.
private struct Credential: Sendable {
  private let authorization: String?
  private let certificate: String

  init(_ authorization: UnsafeRawBufferPointer?, certificate: UnsafeRawBufferPointer) {
    self.authorization = authorization.map { String(decoding: $0, as: UTF8.self) }
    self.certificate = String(decoding: certificate, as: UTF8.self)
  }

  func principal(on plane: ControlPlane) async throws(ControlError) -> Principal? {
    try await plane.authenticate(authorization: authorization, certificate: certificate)
  }
}

extension GRPCStatus {
  /// What callers hear who came by an address of the data plane.
  fileprivate static let notServedHere = GRPCStatus(
    .unimplemented, "\(ControlService.name) is not served at this address: the server's --control-grpc-listen says where")

  /// The one place where an error of the control plane becomes a gRPC status.
  init(_ error: ControlError) {
    let code: GRPCStatus.Code =
      switch error.code {
      case .badArgument, .tooLarge, .methodNotAllowed: .invalidArgument
      case .unauthenticated: .unauthenticated
      case .forbidden: .permissionDenied
      case .notFound: .notFound
      case .alreadyExists: .alreadyExists
      case .conflict, .preconditionFailed: .aborted
      case .outOfQuota, .tooManyRequests, .storageFull: .resourceExhausted
      case .resourceNotReady, .operationCanceled: .failedPrecondition
      case .unavailable: .unavailable
      case .notImplemented: .unimplemented
      case .internalError: .internal
      }
    let details = error.details.map { "\n- \($0)" }.joined()
    self.init(code, "\(error.code.rawValue): \(error.message)\(details)")
  }
}
