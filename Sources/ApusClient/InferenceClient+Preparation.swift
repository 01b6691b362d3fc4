internal import Inference

/// What goes before a call and comes after it: options, metadata, credentials, interceptors.
extension InferenceClient {
  /// A unary call of a client with interceptors or a token provider.
  func dressedUnary(
    _ method: ClientMethod, _ request: OutgoingRequest, _ options: CallOptions, keepsMetadata: Bool
  ) async throws(ClientError) -> UnaryOperation {
    let interceptors = core.settings.options.interceptors
    let start = Instant.now()
    var head = CallHead(method: method.path, isStream: method.isStream, metadata: try wholeMetadata(options))
    var passed = 0
    var failure: ClientError?
    var operation: UnaryOperation?
    do throws(ClientError) {
      for interceptor in interceptors {
        try interceptor.started(&head)
        passed += 1
      }
      var prepared = try plainOptions(method, options, keepsMetadata: keepsMetadata || !interceptors.isEmpty, at: start)
      prepared.metadata = head.metadata
      let token = try await core.settings.tokens?.token()
      if let token { prepared.metadata.append("authorization", "Bearer \(token)") }
      try prepared.metadata.check()
      let made = UnaryOperation(method, request, prepared)
      operation = made
      await core.run(made)
      if case .failure(let error) = made.result {
        failure = error
        if let token, error.origin == .server, error.code == .unauthenticated {
          core.settings.tokens?.refused(token)
        }
      }
    } catch {
      failure = error
    }
    let result = CallResult(
      error: failure, metadata: operation?.metadata ?? Metadata(),
      trailers: failure?.trailers ?? operation?.trailers ?? Metadata(),
      duration: start.durationUntilNow,
      attempts: operation?.attemptCount ?? 0)
    for interceptor in interceptors.prefix(passed).reversed() { interceptor.ended(head, result) }
    if let operation, operation.result != nil { return operation }
    throw failure ?? ClientError(.client, .unknown, "the call has no outcome. This is a bug.")
  }

  /// What a stream is opened with; interceptors have seen it start.
  func prepare(
    _ method: ClientMethod, _ options: CallOptions
  ) async throws(ClientError) -> PreparedStream {
    let interceptors = core.settings.options.interceptors
    let start = Instant.now()
    var head = CallHead(method: method.path, isStream: true, metadata: try wholeMetadata(options))
    var passed = 0
    do throws(ClientError) {
      for interceptor in interceptors {
        try interceptor.started(&head)
        passed += 1
      }
      var prepared = try plainOptions(method, options, keepsMetadata: true, at: start)
      prepared.metadata = head.metadata
      if let token = try await core.settings.tokens?.token() {
        prepared.metadata.append("authorization", "Bearer \(token)")
      }
      try prepared.metadata.check()
      return PreparedStream(head: head, options: prepared, start: start)
    } catch {
      let result = CallResult(
        error: error, metadata: Metadata(), trailers: Metadata(), duration: start.durationUntilNow, attempts: 0)
      for interceptor in interceptors.prefix(passed).reversed() { interceptor.ended(head, result) }
      throw error
    }
  }

  func plainOptions(
    _ method: ClientMethod, _ options: CallOptions, keepsMetadata: Bool, at now: Instant = .now()
  ) throws(ClientError) -> OperationOptions {
    OperationOptions(
      deadline: core.settings.deadline(options.timeout, now: now), waitsForConnection: options.waitsForConnection,
      isIdempotent: options.isIdempotent, compression: options.compression ?? core.settings.options.compression,
      retry: options.retry,
      hedging: options.isIdempotent ? options.hedging ?? core.settings.options.hedging : nil,
      metadata: try wholeMetadata(options),
      keepsMetadata: keepsMetadata)
  }

  /// What the call's options ask to be sent, with its trace.
  private func wholeMetadata(_ options: CallOptions) throws(ClientError) -> Metadata {
    guard let trace = options.traceContext ?? TraceContext.current else {
      if !options.metadata.fields.isEmpty { try options.metadata.check() }
      return options.metadata
    }
    var metadata = options.metadata
    metadata.append("traceparent", trace.traceParent)
    if !trace.traceState.isEmpty { metadata.append("tracestate", trace.traceState) }
    try metadata.check()
    return metadata
  }
}

/// A stream's options and what interceptors made of its metadata.
struct PreparedStream: Sendable {
  let head: CallHead
  let options: OperationOptions
  let start: Instant
}

extension Instant {
  var durationUntilNow: Duration { .nanoseconds(Int64(clamping: Instant.now().nanoseconds(since: self))) }
}

extension Metadata {
  /// - Throws: `.invalidArgument` for what is no header field, or one of gRPC's own.
  ///
  /// Source: gRPC over HTTP2, "Custom-Metadata": names are 0-9 a-z _ - . and values are printable ASCII.
  func check() throws(ClientError) {
    for field in fields {
      let isName =
        !field.name.isEmpty
        && field.name.utf8.allSatisfy { byte in
          (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
        }
      guard isName, !field.name.hasPrefix("grpc-") else {
        throw ClientError(.client, .invalidArgument, "metadata can't have the name '\(field.name)'")
      }
      guard field.value.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else {
        throw ClientError(
          .client, .invalidArgument, "metadata '\(field.name)' has a value with other than printable ASCII")
      }
    }
  }
}
