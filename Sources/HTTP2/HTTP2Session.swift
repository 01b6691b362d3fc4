internal import CNghttp2
package import Inference

/// What a session announces to its peer and holds it to.
package struct HTTP2Settings: Sendable {
  /// Streams that the peer may have open at once.
  package var maxConcurrentStreams: UInt32 = 1000
  /// Bytes of one stream's body that the peer may send ahead.
  package var streamWindowBytes: Int32 = (1 << 24) - 1
  /// Bytes of all streams' bodies that the peer may send ahead.
  package var connectionWindowBytes: Int32 = 1 << 26
  /// Sum of name + value + 32 over a header list (RFC 9113 §6.5.2). Past it the stream's headers are incomplete and it
  /// should be refused; past four times as much it is reset.
  package var maxHeaderListBytes = 16 * 1024
  /// Streams that the peer may reset at once, and per second after that (CVE-2023-44487).
  package var resetBurst: UInt64 = 10_000
  package var resetsPerSecond: UInt64 = 1000

  package init() {}
}

/// One HTTP/2 connection over nghttp2: bytes in, events out; answers in, bytes out. Does no I/O and holds no clock.
///
/// Not `Sendable`: it belongs to the connection that made it and never leaves that thread. A class, because nghttp2 keeps
/// a pointer back to it for as long as the session lives.
///
/// ```
/// receive(bytes) ─▶ events ─▶ the caller: respond, enqueue, finish, reset, consume
/// collectOutput(buffer) ─▶ one write ─▶ events (streams that closed)
/// ```
package final class HTTP2Session {
  package enum Role { case server, client }

  package let role: Role
  package let settings: HTTP2Settings
  /// Live streams: begun and not yet recycled.
  package var streamCount: Int { live.pointee.count }

  let session: OpaquePointer
  let store: StreamStore
  @exclusivity(unchecked) var flood: FloodGuard
  @exclusivity(unchecked) var now: Instant
  /// Set while `collectOutput` runs.
  @exclusivity(unchecked) var output: OutputBuffer?
  /// Whether the peer's SETTINGS are there: the end of its connection preface (RFC 9113 §3.4).
  @exclusivity(unchecked) package internal(set) var hasPeerSettings = false
  /// What the peer said with its last GOAWAY, for people; at most 256 bytes of it.
  package internal(set) var goAwayReason = ""
  @exclusivity(unchecked) var sentGoAwayCode: UInt32 = 0
  /// What the peer did that ended the session: known once our GOAWAY, which says it, has left.
  package var violation: HTTP2Error? {
    guard sentGoAwayCode != 0 else { return nil }
    return HTTP2Error(
      code: NGHTTP2_ERR_PROTO.rawValue, description: String(cString: nghttp2_http2_strerror(sentGoAwayCode)))
  }
  /// Whether HEADERS or DATA went to the peer since its last PING.
  @exclusivity(unchecked) var hasAnsweredSincePing = false
  /// Set when `sendBody` found the buffer full.
  @exclusivity(unchecked) var isBlocked = false
  private let live: UnsafeMutablePointer<LiveStreams>
  private let events: UnsafeMutablePointer<EventList>

  // Behind pointers, because Swift checks each access to a class's own variables for overlaps, and these are touched
  // several times a request.
  private struct LiveStreams {
    var first: StreamPointer?
    var count = 0
    /// The one asked for last: frames of a stream come one behind the other.
    var last: StreamPointer?
    var lastID: Int32 = 0
  }

  private struct EventList {
    /// From the store while there are events.
    var list: StreamStore.EventMemory?
    var count = 0
    /// The next one to hand over.
    var next = 0
  }

  /// - Throws: `HTTP2Error` only when memory runs out.
  package init(
    role: Role, settings: HTTP2Settings = HTTP2Settings(), streams store: StreamStore, now: Instant
  ) throws(HTTP2Error) {
    self.role = role
    self.settings = settings
    self.store = store
    self.now = now
    flood = FloodGuard(now: now)
    var callbacks: OpaquePointer?
    try check(nghttp2_session_callbacks_new(&callbacks))
    defer { nghttp2_session_callbacks_del(callbacks) }
    setCallbacks(callbacks)
    var option: OpaquePointer?
    try check(nghttp2_option_new(&option))
    defer { nghttp2_option_del(option) }
    nghttp2_option_set_no_auto_window_update(option, 1)
    nghttp2_option_set_no_closed_streams(option, 1)
    // A server's checks of requests stay nghttp2's; of an answer there is less to check (`isValidField`).
    if role == .client { nghttp2_option_set_no_http_messaging(option, 1) }
    // Every unknown type: to be told of such frames, and count them. ALTSVC and ORIGIN are a server's, and counted too.
    for type in 0x0a...0xff { nghttp2_option_set_user_recv_extension_type(option, UInt8(type)) }
    nghttp2_option_set_stream_reset_rate_limit(option, settings.resetBurst, settings.resetsPerSecond)

    var raw: OpaquePointer?
    try check(
      store.memory.withAllocator { memory in
        switch role {
        case .server: nghttp2_session_server_new3(&raw, callbacks, nil, option, memory)
        case .client: nghttp2_session_client_new3(&raw, callbacks, nil, option, memory)
        }
      })
    guard let raw else { throw HTTP2Error(code: NGHTTP2_ERR_NOMEM.rawValue, description: "no session was made") }
    session = raw
    live = .allocate(capacity: 1)
    live.initialize(to: LiveStreams())
    events = .allocate(capacity: 1)
    events.initialize(to: EventList())
    // Unretained: `deinit` deletes the session, so nghttp2 does not outlive `self`.
    nghttp2_session_set_user_data(session, Unmanaged.passUnretained(self).toOpaque())
    try submitSettings()
  }

  deinit {
    nghttp2_session_del(session)
    // nghttp2 does not report the streams that were open: they are ours to recycle.
    while let stream = live.pointee.first {
      live.pointee.first = stream.pointee.next
      store.give(stream)
    }
    live.deallocate()
    if let list = events.pointee.list { store.give(list) }
    events.deallocate()
  }

  private func submitSettings() throws(HTTP2Error) {
    var entries: [nghttp2_settings_entry] = [
      .init(settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: UInt32(settings.streamWindowBytes)),
      .init(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue), value: UInt32(settings.maxHeaderListBytes)),
    ]
    switch role {
    case .server:
      entries.append(
        .init(
          settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue), value: settings.maxConcurrentStreams))
    case .client:
      entries.append(.init(settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0))
    }
    try check(nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count))
    let flags = UInt8(NGHTTP2_FLAG_NONE.rawValue)
    try check(nghttp2_session_set_local_window_size(session, flags, 0, settings.connectionWindowBytes))
  }

  // MARK: In

  /// Feeds bytes from the peer. What they meant is in the events afterwards, also when it throws.
  package func receive(_ bytes: UnsafeRawBufferPointer, at now: Instant) throws(HTTP2Error) {
    self.now = now
    let count = nghttp2_session_mem_recv(session, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
    if count < 0 { throw HTTP2Error(code: Int32(count), description: describe(Int32(count))) }
  }

  /// Hands over the next event recorded by `receive` or `collectOutput`, in order. Handling one may record more.
  package func forEachEvent(_ body: (HTTP2Event) -> Void) {
    while events.pointee.next < events.pointee.count {
      events.pointee.next += 1
      guard let list = events.pointee.list else { return }
      body(list.base[events.pointee.next - 1])
    }
    events.pointee.next = 0
    events.pointee.count = 0
    if let list = events.pointee.list {
      events.pointee.list = nil
      store.give(list)
    }
  }

  /// Returns window for body bytes that were received: to the stream and to the connection.
  package func consume(_ count: Int, of stream: StreamPointer) {
    if !stream.pointee.isClosed { nghttp2_session_consume_stream(session, stream.pointee.id, count) }
    nghttp2_session_consume_connection(session, count)
  }

  /// Returns window to the stream alone; the connection's share is kept back until `consumeConnection`.
  package func consumeStream(_ count: Int, of stream: StreamPointer) {
    if !stream.pointee.isClosed { nghttp2_session_consume_stream(session, stream.pointee.id, count) }
  }

  package func consumeConnection(_ count: Int) { nghttp2_session_consume_connection(session, count) }

  /// Gives back a closed stream; call it once for each `closed` event.
  package func recycle(_ stream: StreamPointer) {
    if let previous = stream.pointee.previous {
      previous.pointee.next = stream.pointee.next
    } else {
      live.pointee.first = stream.pointee.next
    }
    stream.pointee.next?.pointee.previous = stream.pointee.previous
    live.pointee.count -= 1
    store.give(stream)
  }

  /// Records a `closed` event for every stream that is still open: the connection is lost.
  package func abandonStreams() {
    var next = live.pointee.first
    while let stream = next {
      next = stream.pointee.next
      if !stream.pointee.isClosed {
        stream.pointee.isClosed = true
        record(HTTP2Event(kind: .closed, stream: stream, code: UInt32(NGHTTP2_CANCEL.rawValue)))
      }
    }
  }

  // MARK: Out

  /// Sends response headers. With `endStream` they are the whole answer.
  package func respond(_ stream: StreamPointer, _ headers: PreparedHeaders, endStream: Bool) {
    submitResponse(stream, headers.fields, headers.count, endStream)
  }

  /// Answers with a list made once, and fields of this answer alone, which no table remembers.
  package func respond(
    _ stream: StreamPointer, _ headers: PreparedHeaders, adding further: HeaderBlock, endStream: Bool
  ) {
    let count = headers.count + further.count
    withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: max(count, 1)) { fields in
      guard let start = fields.baseAddress else { preconditionFailure("a temporary allocation has an address") }
      start.initialize(from: headers.fields, count: headers.count)
      var index = headers.count
      var cursor = 0
      while let field = further.next(&cursor) {
        start[index] = field.neverIndexed
        index += 1
      }
      submitResponse(stream, start, count, endStream)
    }
  }

  package func respond(_ stream: StreamPointer, _ headers: borrowing HeaderBlock, endStream: Bool) {
    headers.withFields { fields, count in submitResponse(stream, fields, count, endStream) }
  }

  /// Adds bytes to the stream's body. They leave as the peer's windows allow.
  ///
  /// - Parameter segment: Its owner's count is taken over. Without an owner the bytes must stay until the stream's
  ///   `closed` event.
  package func enqueue(_ segment: Segment, on stream: StreamPointer) {
    guard !stream.pointee.isClosed else {
      segment.owner?.release()
      return
    }
    stream.pointee.append(segment)
    resume(stream)
  }

  /// Ends the stream after what waits.
  package func finish(_ stream: StreamPointer) { end(stream, .plain) }

  package func finish(_ stream: StreamPointer, trailers: PreparedHeaders) { end(stream, .prepared(trailers)) }

  package func finish(_ stream: StreamPointer, trailers: borrowing HeaderBlock) {
    var cursor = 0
    while let field = trailers.next(&cursor) {
      stream.pointee.outgoingTrailers.append(name: field.name, value: field.value)
    }
    end(stream, .trailers)
  }

  /// Resets a stream: `code` as in RFC 9113 §7.
  package func reset(_ stream: StreamPointer, code: HTTP2ErrorCode) {
    guard !stream.pointee.isClosed else { return }
    stream.pointee.wasResetHere = true
    nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.pointee.id, code.rawValue)
  }

  /// Resets the stream with NO_ERROR once its END_STREAM is sent: the answer is complete, and the rest of the request is
  /// not wanted (RFC 9113 §8.1). At once would be too soon: a RST_STREAM overtakes the stream's DATA.
  package func resetAfterEnd(_ stream: StreamPointer) { stream.pointee.resetsAfterEnd = true }

  package func ping() { nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil) }

  /// Says that no new streams should be opened; those on their way are still taken (RFC 9113 §6.8).
  package func announceShutdown() { nghttp2_submit_shutdown_notice(session) }

  /// Refuses every stream after those seen so far.
  package func goAway(code: HTTP2ErrorCode, reason: String = "") {
    let last = nghttp2_session_get_last_proc_stream_id(session)
    let flags = UInt8(NGHTTP2_FLAG_NONE.rawValue)
    Array(reason.utf8).withUnsafeBufferPointer {
      _ = nghttp2_submit_goaway(session, flags, last, code.rawValue, $0.baseAddress, $0.count)
    }
  }

  /// Sends GOAWAY and closes the session: `isFinished` holds once it is sent.
  package func terminate(code: HTTP2ErrorCode) { nghttp2_session_terminate_session(session, code.rawValue) }

  /// Moves what is ready to be sent into `buffer`, until there is no more or it is full.
  ///
  /// - Returns: Whether there may be more.
  package func collectOutput(into buffer: OutputBuffer) throws(HTTP2Error) -> Bool {
    output = buffer
    isBlocked = false
    defer { output = nil }
    while !buffer.isFull {
      var bytes: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(session, &bytes)
      if count < 0 { throw HTTP2Error(code: Int32(count), description: describe(Int32(count))) }
      if count == 0 { return isBlocked }
      buffer.append(copying: UnsafeRawBufferPointer(start: bytes, count: count))
    }
    return true
  }

  package var wantsToWrite: Bool { nghttp2_session_want_write(session) != 0 }

  /// Nothing more will come or go: close the socket once what was collected is written.
  package var isFinished: Bool {
    nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0
  }

  // MARK: Inside

  private func submitResponse(
    _ stream: StreamPointer, _ fields: UnsafePointer<nghttp2_nv>, _ count: Int, _ endStream: Bool
  ) {
    guard !stream.pointee.isClosed else { return }
    if endStream {
      stream.pointee.ending = .plain
      nghttp2_submit_response(session, stream.pointee.id, fields, count, nil)
    } else {
      var provider = nghttp2_data_provider(source: .init(ptr: stream), read_callback: readBody)
      nghttp2_submit_response(session, stream.pointee.id, fields, count, &provider)
    }
  }

  private func end(_ stream: StreamPointer, _ ending: HTTP2Stream.Ending) {
    guard !stream.pointee.isClosed else { return }
    stream.pointee.ending = ending
    resume(stream)
  }

  private func resume(_ stream: StreamPointer) {
    guard stream.pointee.isDeferred else { return }
    stream.pointee.isDeferred = false
    nghttp2_session_resume_data(session, stream.pointee.id)
  }

  /// The stream of that number, while nghttp2 has it.
  func stream(_ id: Int32) -> StreamPointer? {
    if live.pointee.lastID == id { return live.pointee.last }
    guard let found = nghttp2_session_get_stream_user_data(session, id) else { return nil }
    let stream = found.assumingMemoryBound(to: HTTP2Stream.self)
    live.pointee.last = stream
    live.pointee.lastID = id
    return stream
  }

  /// What `stream` finds at once; nil, when that is gone.
  func remember(_ stream: StreamPointer?) {
    live.pointee.last = stream
    live.pointee.lastID = stream?.pointee.id ?? 0
  }

  func link(_ stream: StreamPointer) {
    stream.pointee.previous = nil
    stream.pointee.next = live.pointee.first
    live.pointee.first?.pointee.previous = stream
    live.pointee.first = stream
    live.pointee.count += 1
  }

  func record(_ event: HTTP2Event) {
    var list = events.pointee.list ?? store.takeEventMemory()
    if events.pointee.count == list.capacity { list = list.doubled() }
    events.pointee.list = list
    (list.base + events.pointee.count).initialize(to: event)
    events.pointee.count += 1
  }
}

private func describe(_ code: Int32) -> String { String(cString: nghttp2_strerror(code)) }

private func check(_ code: Int32) throws(HTTP2Error) {
  if code != 0 { throw HTTP2Error(code: code, description: describe(code)) }
}
