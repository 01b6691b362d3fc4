internal import CProtobufC
internal import CProtos
internal import Inference

/// The messages of gRPC's interoperability test service, `grpc.testing.TestService`.
package enum Interop {
  package struct Empty: CMessage, Hashable {
    package init() {}

    static var initialize: (UnsafeMutablePointer<Grpc__Testing__Empty>?) -> Void { grpc__testing__empty__init }
    init(_ c: Grpc__Testing__Empty) {}
    func fill(_ c: inout Grpc__Testing__Empty, _ builder: MessageBuilder) {}
  }

  /// A status that the server is asked to end the call with.
  package struct EchoStatus: CMessage, Hashable {
    package var code: Int32
    package var message: String

    package init(code: Int32, message: String) {
      self.code = code
      self.message = message
    }

    static var initialize: (UnsafeMutablePointer<Grpc__Testing__EchoStatus>?) -> Void {
      grpc__testing__echo_status__init
    }
    init(_ c: Grpc__Testing__EchoStatus) { (code, message) = (c.code, string(c.message)) }
    func fill(_ c: inout Grpc__Testing__EchoStatus, _ builder: MessageBuilder) {
      (c.code, c.message) = (code, builder.string(message))
    }
  }

  package struct SimpleRequest: CMessage, Hashable {
    /// Bytes of the response's payload.
    package var responseSize: Int32 = 0
    package var payload: [UInt8]?
    package var fillUsername = false
    package var fillOAuthScope = false
    /// Whether the response should be compressed; nil leaves it to the server.
    package var responseCompressed: Bool?
    package var responseStatus: EchoStatus?
    /// Whether to insist that this request is compressed.
    package var expectCompressed: Bool?
    package var fillServerID = false

    package init() {}

    static var initialize: (UnsafeMutablePointer<Grpc__Testing__SimpleRequest>?) -> Void {
      grpc__testing__simple_request__init
    }
    init(_ c: Grpc__Testing__SimpleRequest) throws(InferenceError) {
      responseSize = c.response_size
      payload = payloadBody(c.payload)
      fillUsername = c.fill_username != 0
      fillOAuthScope = c.fill_oauth_scope != 0
      responseCompressed = boolValue(c.response_compressed)
      responseStatus = try optional(c.response_status)
      expectCompressed = boolValue(c.expect_compressed)
      fillServerID = c.fill_server_id != 0
    }
    func fill(_ c: inout Grpc__Testing__SimpleRequest, _ builder: MessageBuilder) {
      c.response_size = responseSize
      c.payload = makePayload(payload, builder)
      c.fill_username = fillUsername ? 1 : 0
      c.fill_oauth_scope = fillOAuthScope ? 1 : 0
      c.response_compressed = makeBoolValue(responseCompressed, builder)
      c.response_status = builder.optional(responseStatus)
      c.expect_compressed = makeBoolValue(expectCompressed, builder)
      c.fill_server_id = fillServerID ? 1 : 0
    }
  }

  package struct SimpleResponse: CMessage, Hashable {
    package var payload: [UInt8]?
    package var username = ""
    package var oauthScope = ""
    package var serverID = ""
    package var hostname = ""

    package init(payload: [UInt8]? = nil) { self.payload = payload }

    static var initialize: (UnsafeMutablePointer<Grpc__Testing__SimpleResponse>?) -> Void {
      grpc__testing__simple_response__init
    }
    init(_ c: Grpc__Testing__SimpleResponse) {
      payload = payloadBody(c.payload)
      username = string(c.username)
      oauthScope = string(c.oauth_scope)
      serverID = string(c.server_id)
      hostname = string(c.hostname)
    }
    func fill(_ c: inout Grpc__Testing__SimpleResponse, _ builder: MessageBuilder) {
      c.payload = makePayload(payload, builder)
      c.username = builder.string(username)
      c.oauth_scope = builder.string(oauthScope)
      c.server_id = builder.string(serverID)
      c.hostname = builder.string(hostname)
    }
  }

  package struct StreamingInputCallRequest: CMessage, Hashable {
    package var payload: [UInt8]?
    package var expectCompressed: Bool?

    package init(payload: [UInt8]?) { self.payload = payload }

    static var initialize: (UnsafeMutablePointer<Grpc__Testing__StreamingInputCallRequest>?) -> Void {
      grpc__testing__streaming_input_call_request__init
    }
    init(_ c: Grpc__Testing__StreamingInputCallRequest) {
      payload = payloadBody(c.payload)
      expectCompressed = boolValue(c.expect_compressed)
    }
    func fill(_ c: inout Grpc__Testing__StreamingInputCallRequest, _ builder: MessageBuilder) {
      c.payload = makePayload(payload, builder)
      c.expect_compressed = makeBoolValue(expectCompressed, builder)
    }
  }

  package struct StreamingInputCallResponse: CMessage, Hashable {
    /// Bytes of all payloads.
    package var aggregatedPayloadSize: Int32

    package init(aggregatedPayloadSize: Int32) { self.aggregatedPayloadSize = aggregatedPayloadSize }

    static var initialize: (UnsafeMutablePointer<Grpc__Testing__StreamingInputCallResponse>?) -> Void {
      grpc__testing__streaming_input_call_response__init
    }
    init(_ c: Grpc__Testing__StreamingInputCallResponse) { aggregatedPayloadSize = c.aggregated_payload_size }
    func fill(_ c: inout Grpc__Testing__StreamingInputCallResponse, _ builder: MessageBuilder) {
      c.aggregated_payload_size = aggregatedPayloadSize
    }
  }

  /// One response that a streaming call is asked for.
  package struct ResponseParameters: CMessage, Hashable {
    package var size: Int32
    /// Time to let pass before it.
    package var intervalMicroseconds: Int32 = 0
    package var compressed: Bool?

    package init(size: Int32) { self.size = size }

    static var initialize: (UnsafeMutablePointer<Grpc__Testing__ResponseParameters>?) -> Void {
      grpc__testing__response_parameters__init
    }
    init(_ c: Grpc__Testing__ResponseParameters) {
      size = c.size
      intervalMicroseconds = c.interval_us
      compressed = boolValue(c.compressed)
    }
    func fill(_ c: inout Grpc__Testing__ResponseParameters, _ builder: MessageBuilder) {
      c.size = size
      c.interval_us = intervalMicroseconds
      c.compressed = makeBoolValue(compressed, builder)
    }
  }

  package struct StreamingOutputCallRequest: CMessage, Hashable {
    package var responseParameters: [ResponseParameters] = []
    package var payload: [UInt8]?
    package var responseStatus: EchoStatus?

    package init() {}

    static var initialize: (UnsafeMutablePointer<Grpc__Testing__StreamingOutputCallRequest>?) -> Void {
      grpc__testing__streaming_output_call_request__init
    }
    init(_ c: Grpc__Testing__StreamingOutputCallRequest) throws(InferenceError) {
      responseParameters = try list(c.response_parameters, c.n_response_parameters)
      payload = payloadBody(c.payload)
      responseStatus = try optional(c.response_status)
    }
    func fill(_ c: inout Grpc__Testing__StreamingOutputCallRequest, _ builder: MessageBuilder) {
      c.n_response_parameters = responseParameters.count
      c.response_parameters = builder.list(responseParameters)
      c.payload = makePayload(payload, builder)
      c.response_status = builder.optional(responseStatus)
    }
  }

  package struct StreamingOutputCallResponse: CMessage, Hashable {
    package var payload: [UInt8]?

    package init(payload: [UInt8]?) { self.payload = payload }

    static var initialize: (UnsafeMutablePointer<Grpc__Testing__StreamingOutputCallResponse>?) -> Void {
      grpc__testing__streaming_output_call_response__init
    }
    init(_ c: Grpc__Testing__StreamingOutputCallResponse) { payload = payloadBody(c.payload) }
    func fill(_ c: inout Grpc__Testing__StreamingOutputCallResponse, _ builder: MessageBuilder) {
      c.payload = makePayload(payload, builder)
    }
  }
}

// MARK: - Parts

private func payloadBody(_ c: UnsafePointer<Grpc__Testing__Payload>?) -> [UInt8]? { c.map { array($0.pointee.body) } }

private func makePayload(_ body: [UInt8]?, _ builder: MessageBuilder) -> UnsafeMutablePointer<Grpc__Testing__Payload>? {
  guard let body else { return nil }
  let payload = builder.make(grpc__testing__payload__init)
  payload.pointee.body = builder.bytes(body)
  return payload
}

private func boolValue(_ c: UnsafePointer<Grpc__Testing__BoolValue>?) -> Bool? { c.map { $0.pointee.value != 0 } }

private func makeBoolValue(
  _ value: Bool?, _ builder: MessageBuilder
) -> UnsafeMutablePointer<Grpc__Testing__BoolValue>? {
  guard let value else { return nil }
  let wrapped = builder.make(grpc__testing__bool_value__init)
  wrapped.pointee.value = value ? 1 : 0
  return wrapped
}
