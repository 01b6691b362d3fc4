internal import CNghttp2
internal import Inference

// Free functions, because a closure written in an actor's context would trap on another thread. Each finds the session
// without counting a reference, records or counts, and leaves decisions to the caller of `receive`.

func setCallbacks(_ callbacks: OpaquePointer?) {
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, onBeginHeaders)
  nghttp2_session_callbacks_set_on_header_callback(callbacks, onHeader)
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, onData)
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, onFrame)
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, onClose)
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, onInvalidFrame)
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, onFrameSent)
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, onFrameNotSent)
  nghttp2_session_callbacks_set_send_data_callback(callbacks, sendBody)
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, onBeginFrame)
  nghttp2_session_callbacks_set_on_extension_chunk_recv_callback(callbacks, ignoreChunk)
  nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, ignoreExtension)
}

@inline(__always)
private func withSession(_ userData: UnsafeMutableRawPointer?, _ body: (HTTP2Session) -> Int32) -> Int32 {
  guard let userData else { return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
  return Unmanaged<HTTP2Session>.fromOpaque(userData)._withUnsafeGuaranteedRef(body)
}

@inline(__always)
private func stream(_ userData: UnsafeMutableRawPointer?, _ id: Int32) -> StreamPointer? {
  guard let userData else { return nil }
  return Unmanaged<HTTP2Session>.fromOpaque(userData)._withUnsafeGuaranteedRef { $0.stream(id) }
}

/// Frames of unknown types are ignored (RFC 9113 §5.5), and nghttp2 reports nothing else of them.
private func onBeginFrame(
  _ raw: OpaquePointer?, _ head: UnsafePointer<nghttp2_frame_hd>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let head, UInt32(head.pointee.type) > NGHTTP2_CONTINUATION.rawValue else { return 0 }
  return withSession(userData) { session in
    session.charge(\.control)
    return 0
  }
}

private func ignoreChunk(
  _ raw: OpaquePointer?, _ head: UnsafePointer<nghttp2_frame_hd>?, _ bytes: UnsafePointer<UInt8>?, _ count: Int,
  _ userData: UnsafeMutableRawPointer?
) -> Int32 { 0 }

private func ignoreExtension(
  _ raw: OpaquePointer?, _ payload: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
  _ head: UnsafePointer<nghttp2_frame_hd>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 { Int32(NGHTTP2_ERR_CANCEL.rawValue) }

private func onBeginHeaders(
  _ raw: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame, frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST else { return 0 }
  let id = frame.pointee.hd.stream_id
  return withSession(userData) { session in
    let stream = session.store.take(id: id)
    session.link(stream)
    nghttp2_session_set_stream_user_data(raw, id, stream)
    session.remember(stream)
    return 0
  }
}

private func onHeader(
  _ raw: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ name: UnsafePointer<UInt8>?, _ nameCount: Int,
  _ value: UnsafePointer<UInt8>?, _ valueCount: Int, _ flags: UInt8, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame, let stream = stream(userData, frame.pointee.hd.stream_id) else { return 0 }
  return withSession(userData) { session in
    // RFC 9113 §6.5.2. nghttp2 announces the limit and does not hold the peer to it.
    stream.pointee.headerListBytes += nameCount + valueCount + 32
    let limit = session.settings.maxHeaderListBytes
    if stream.pointee.headerListBytes > limit {
      stream.pointee.headersTooLarge = true
      // The rest of the block is then only decoded, and costs the sender more than us (an HPACK bomb).
      let isHopeless = stream.pointee.headerListBytes > 4 * limit
      return isHopeless ? Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) : 0
    }
    let name = UnsafeRawBufferPointer(start: name, count: nameCount)
    let value = UnsafeRawBufferPointer(start: value, count: valueCount)
    if session.role == .client, !isValidField(name: name, value: value) {
      return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
    if stream.pointee.hasHeaders {
      stream.pointee.trailers.append(name: name, value: value)
    } else {
      stream.pointee.headers.append(name: name, value: value)
    }
    return 0
  }
}

private func onData(
  _ raw: OpaquePointer?, _ flags: UInt8, _ id: Int32, _ bytes: UnsafePointer<UInt8>?, _ count: Int,
  _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  let stream = stream(userData, id)
  return withSession(userData) { session in
    guard let stream else {
      nghttp2_session_consume_connection(raw, count)
      return 0
    }
    let bytes = UnsafeRawBufferPointer(start: bytes, count: count)
    session.record(HTTP2Event(kind: .data, stream: stream, bytes: bytes))
    return 0
  }
}

private func onFrame(
  _ raw: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame else { return 0 }
  let head = frame.pointee.hd
  let ends = head.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
  return withSession(userData) { session in
    switch UInt32(head.type) {
    case NGHTTP2_DATA.rawValue:
      if head.length == 0 && !ends { session.charge(\.emptyData) }
      if ends { session.record(HTTP2Event(kind: .endOfStream, stream: stream(userData, head.stream_id))) }
    case NGHTTP2_HEADERS.rawValue:
      guard let stream = stream(userData, head.stream_id) else { return 0 }
      // There may be several, and nghttp2 calls only the first a response.
      if session.role == .client, !stream.pointee.hasHeaders, stream.pointee.hasInformationalStatus {
        stream.pointee.headers.reset()
        return 0
      }
      session.record(HTTP2Event(kind: stream.pointee.hasHeaders ? .trailers : .headers, stream: stream))
      // RFC 9113 §8.1: a header block after the body ends the stream. On a server nghttp2 sees to it.
      if session.role == .client, stream.pointee.hasHeaders, !ends {
        nghttp2_submit_rst_stream(
          raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), head.stream_id, HTTP2ErrorCode.protocolError.rawValue)
      }
      stream.pointee.hasHeaders = true
      if ends { session.record(HTTP2Event(kind: .endOfStream, stream: stream)) }
    case NGHTTP2_PING.rawValue:
      let isAnswer = head.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0
      if isAnswer {
        session.record(HTTP2Event(kind: .pingAcknowledged))
      } else {
        // Clients that measure the path ping once for each answer (grpc-go's bandwidth estimate): that is no flood.
        session.record(HTTP2Event(kind: .pingReceived, code: session.hasAnsweredSincePing ? 1 : 0))
        if !session.hasAnsweredSincePing { session.charge(\.control) }
        session.hasAnsweredSincePing = false
      }
    case NGHTTP2_SETTINGS.rawValue:
      session.hasPeerSettings = true
      session.charge(\.control)
    case NGHTTP2_PRIORITY.rawValue:
      session.charge(\.control)
    case NGHTTP2_GOAWAY.rawValue:
      let text = UnsafeBufferPointer(
        start: frame.pointee.goaway.opaque_data, count: min(frame.pointee.goaway.opaque_data_len, 256))
      session.goAwayReason = String(decoding: text, as: UTF8.self)
      session.record(HTTP2Event(kind: .goAway, code: frame.pointee.goaway.error_code))
    default:
      break
    }
    return 0
  }
}

private func onInvalidFrame(
  _ raw: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ error: Int32, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  withSession(userData) { session in
    session.charge(\.provoked)
    return 0
  }
}

private func onFrameSent(
  _ raw: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let frame else { return 0 }
  let head = frame.pointee.hd
  switch UInt32(head.type) {
  case NGHTTP2_GOAWAY.rawValue:
    return withSession(userData) { session in
      session.sentGoAwayCode = frame.pointee.goaway.error_code
      return 0
    }
  case NGHTTP2_RST_STREAM.rawValue:
    let isOurs = stream(userData, head.stream_id)?.pointee.wasResetHere ?? false
    return isOurs ? 0 : withSession(userData) { session in
      session.charge(\.provoked)
      return 0
    }
  case NGHTTP2_HEADERS.rawValue, NGHTTP2_DATA.rawValue:
    _ = withSession(userData) { session in
      session.hasAnsweredSincePing = true
      return 0
    }
    stream(userData, head.stream_id)?.pointee.wasSent = true
    guard head.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0, let stream = stream(userData, head.stream_id),
      stream.pointee.resetsAfterEnd, nghttp2_session_get_stream_remote_close(raw, head.stream_id) == 0
    else { return 0 }
    stream.pointee.wasResetHere = true
    nghttp2_submit_rst_stream(
      raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), head.stream_id, HTTP2ErrorCode.noError.rawValue)
    return 0
  default: return 0
  }
}

/// Headers that can't be sent, being too large, would leave the peer waiting.
private func onFrameNotSent(
  _ raw: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ error: Int32, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  // A request that is not sent is closed by nghttp2, as refused; the peer has not heard of its stream.
  guard let frame, UInt32(frame.pointee.hd.type) == NGHTTP2_HEADERS.rawValue,
    frame.pointee.headers.cat != NGHTTP2_HCAT_REQUEST,
    let stream = stream(userData, frame.pointee.hd.stream_id), !stream.pointee.isClosed
  else { return 0 }
  stream.pointee.wasResetHere = true
  nghttp2_submit_rst_stream(
    raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), frame.pointee.hd.stream_id, HTTP2ErrorCode.internalError.rawValue)
  return 0
}

private func onClose(
  _ raw: OpaquePointer?, _ id: Int32, _ code: UInt32, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let stream = stream(userData, id) else { return 0 }
  return withSession(userData) { session in
    session.remember(nil)
    stream.pointee.isClosed = true
    session.record(HTTP2Event(kind: .closed, stream: stream, code: code))
    return 0
  }
}

/// nghttp2 asks how much of the body the next DATA frame takes, up to `limit`; the bytes themselves go by reference.
func readBody(
  _ raw: OpaquePointer?, _ id: Int32, _ buffer: UnsafeMutablePointer<UInt8>?, _ limit: Int,
  _ flags: UnsafeMutablePointer<UInt32>?, _ source: UnsafeMutablePointer<nghttp2_data_source>?,
  _ userData: UnsafeMutableRawPointer?
) -> Int {
  guard let stream = source?.pointee.ptr?.assumingMemoryBound(to: HTTP2Stream.self), let flags else {
    return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
  }
  let count = min(limit, stream.pointee.pendingBytes)
  let isLast = count == stream.pointee.pendingBytes
  if count > 0 { flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue }
  switch stream.pointee.ending {
  case .open:
    guard count > 0 else {
      stream.pointee.isDeferred = true
      return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
  case .plain where isLast:
    flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
  case .prepared(let trailers) where isLast:
    flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
    nghttp2_submit_trailer(raw, id, trailers.fields, trailers.count)
  case .trailers where isLast:
    flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
    _ = stream.pointee.outgoingTrailers.withFields { nghttp2_submit_trailer(raw, id, $0, $1) }
  case .plain, .prepared, .trailers:
    break
  }
  return count
}

/// Writes one DATA frame into the output buffer: the head inline, the body from the stream's segments.
private func sendBody(
  _ raw: OpaquePointer?, _ frame: UnsafeMutablePointer<nghttp2_frame>?, _ head: UnsafePointer<UInt8>?, _ count: Int,
  _ source: UnsafeMutablePointer<nghttp2_data_source>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
  guard let stream = source?.pointee.ptr?.assumingMemoryBound(to: HTTP2Stream.self), let head else {
    return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
  }
  return withSession(userData) { session in
    guard let output = session.output else { return Int32(NGHTTP2_ERR_WOULDBLOCK.rawValue) }
    session.isBlocked = output.isFull
    if session.isBlocked { return Int32(NGHTTP2_ERR_WOULDBLOCK.rawValue) }
    output.append(copying: UnsafeRawBufferPointer(start: head, count: 9))
    stream.pointee.moveBytes(count, to: output)
    if stream.pointee.reportsDrain, stream.pointee.pendingBytes == 0 {
      stream.pointee.reportsDrain = false
      session.record(HTTP2Event(kind: .drained, stream: stream))
    }
    return 0
  }
}

extension HTTP2Session {
  /// Takes from a budget; when it is spent, ends the connection.
  fileprivate func charge(_ budget: WritableKeyPath<FloodGuard, FloodGuard.Budget>) {
    if !flood[keyPath: budget].spend(at: now) { terminate(code: .enhanceYourCalm) }
  }
}

extension HTTP2Stream {
  /// 1xx: another header block follows (RFC 9110 §15.2).
  fileprivate var hasInformationalStatus: Bool {
    var cursor = 0
    // The status is the first and only pseudo-header of an answer (RFC 9113 §8.3).
    guard let status = headers.next(&cursor), status.name.first == UInt8(ascii: ":") else { return false }
    return status.value.first == UInt8(ascii: "1")
  }
}
