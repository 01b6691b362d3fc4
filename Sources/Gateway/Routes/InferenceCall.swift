internal import HTTPTypes
internal import HummingbirdCore
internal import Inference
internal import NIOCore
internal import Serving

/// An inference on behalf of an HTTP request: what all doors to a model have in common.
struct InferenceCall: Sendable {
  let host: GatewayHost
  let call: GatewayCall
  let endpoint: String
  /// From the path; empty: whom the traffic rule says, or the header pins.
  var version = ""

  /// A request with everything of it that stands in the head.
  ///
  /// - Throws: `.invalidArgument` for a time that is none.
  func makeRequest() throws(InferenceError) -> GatewayRequest {
    let request = host.door.makeRequest()
    let pointer = request.pointer
    pointer.pointee.modelName = try request.copy(endpoint)
    pointer.pointee.modelVersion = try request.copy(version)
    if let credential = call.header(.authorization) { pointer.pointee.credential = try request.copy(credential) }
    let certificate = call.certificate
    if !certificate.isEmpty { pointer.pointee.certificate = try request.copy(certificate) }
    pointer.pointee.isPrivate = call.isPrivate
    pointer.pointee.connection = call.watch?.connection ?? 0
    if let pin = call.header(.modelDeployment) { pointer.pointee.pin = try request.copy(pin) }
    if let key = call.header(.routingKey) { pointer.pointee.routingKey = try request.copy(key) }
    if let text = call.header(.timeout) {
      guard let milliseconds = UInt64(text), milliseconds > 0 else {
        throw .invalidArgument("x-request-timeout-ms is '\(text.prefix(40))': expected a whole number of milliseconds, 1 or more")
      }
      let (nanoseconds, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000_000)
      pointer.pointee.deadline = pointer.pointee.arrival.advanced(byNanoseconds: overflow ? .max : nanoseconds)
    }
    return request
  }

  /// Lets the caller in before its body is read: who may not call learns nothing of the endpoint.
  ///
  /// - Throws: As `GatewayDoor.checkAccess`.
  func checkAccess() async throws(InferenceError) {
    guard !host.board.isOpen(endpoint, isPrivate: call.isPrivate) else { return }
    try await host.door.checkAccess(
      endpoint, authorization: call.header(.authorization) ?? "", certificate: call.certificate, isPrivate: call.isPrivate)
  }

  /// The deployment that would answer, for forms that go by its signature.
  ///
  /// - Throws: As for a request to it; an endpoint that this listener does not serve is not there.
  func deployment() throws(InferenceError) -> ServingDeployment {
    do throws(InferenceError) {
      guard host.serves(endpoint, call.planes) else {
        throw .notFound("Request for unknown model: '\(endpoint.prefix(256))' is not found")
      }
      return try host.board.deployment(endpoint, version.isEmpty ? call.header(.modelDeployment) ?? "" : version)
    } catch { throw host.whileStarting(error) }
  }

  /// Serves a request that was read, unless its client goes away meanwhile.
  func infer(
    _ request: GatewayRequest, body: ReceivedBody, _ form: AnswerForm
  ) async throws -> GatewayDoor.Outcome<OpenInferenceWriter.Answer> {
    if request.pointer.pointee.sharedTensors != nil { _ = try host.sharedMemory(for: call) }
    try call.memory.reserve(max(0, request.heldBytes - body.bytes.count))
    let door = host.door
    call.watch?.whenGone { door.cancel(request) }
    defer { call.watch?.forget() }
    var outcome = await door.infer(request) { pointer throws(InferenceError) in
      if case .openInference(let binaryByDefault, let binary) = form {
        return try OpenInferenceWriter.write(pointer, binaryByDefault: binaryByDefault, binary: binary)
      }
      return OpenInferenceWriter.Answer(bytes: ScoreWriter.write(pointer, form), jsonByteCount: nil)
    }
    if !outcome.wasAccepted { outcome.result = outcome.result.mapError(host.whileStarting) }
    return outcome
  }

  /// The answer's head and body.
  func response(
    _ answer: OpenInferenceWriter.Answer, _ outcome: GatewayDoor.Outcome<OpenInferenceWriter.Answer>
  ) -> Response {
    var headers = HTTPFields()
    if !outcome.deployment.isEmpty { headers[.modelDeployment] = outcome.deployment }
    guard let jsonByteCount = answer.jsonByteCount else { return .json(.ok, answer.bytes, headers) }
    headers[.contentType] = "application/octet-stream"
    headers[.inferenceHeaderLength] = "\(jsonByteCount)"
    return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.bytes)))
  }

  /// When a refused request is worth another try, in whole seconds.
  func retryAfter(_ outcome: GatewayDoor.Outcome<OpenInferenceWriter.Answer>) -> String? {
    guard case .failure(let error) = outcome.result else { return nil }
    if outcome.retryAfterNanoseconds > 0 {
      return "\(max(1, (outcome.retryAfterNanoseconds + 999_999_999) / 1_000_000_000))"
    }
    return error.code == .resourceExhausted ? "1" : nil
  }
}
