internal import CNghttp2

/// A client's part of a session: it opens the streams.
extension HTTP2Session {
  /// Opens a stream as a client. Nil when the peer is going away or the stream numbers are used up. Where the peer has as
  /// many streams open as it allows, this one waits for another's end.
  package func request(_ headers: borrowing HeaderBlock, endStream: Bool) -> StreamPointer? {
    guard mayRequest else { return nil }
    let stream = store.take(id: 0)
    let id = headers.withFields { fields, count in
      var provider = nghttp2_data_provider(source: .init(ptr: stream), read_callback: readBody)
      if endStream { return nghttp2_submit_request(session, nil, fields, count, nil, stream) }
      return nghttp2_submit_request(session, nil, fields, count, &provider, stream)
    }
    guard id > 0 else {
      store.give(stream)
      return nil
    }
    stream.pointee.begin(id: id)
    link(stream)
    if endStream { stream.pointee.ending = .plain }
    return stream
  }

  /// Opens a stream with a list made once, and fields of this request alone, which the peer's and our tables of recent
  /// fields are not filled with (RFC 7541 §7.1.3, never indexed).
  ///
  /// - Parameters:
  ///   - headers: Stays until the stream is closed.
  ///   - isIndexed: Whether `field` is remembered after all.
  package func request(
    _ headers: PreparedHeaders, adding field: HeaderBlock.Field?, isIndexed: Bool = false, _ further: HeaderBlock?
  ) -> StreamPointer? {
    guard mayRequest else { return nil }
    let stream = store.take(id: 0)
    let count = headers.count + (field == nil ? 0 : 1) + (further?.count ?? 0)
    let id = withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: count) { fields in
      guard let start = fields.baseAddress else { preconditionFailure("a temporary allocation has an address") }
      start.initialize(from: headers.fields, count: headers.count)
      var index = headers.count
      if let field {
        start[index] = field.neverIndexed
        if isIndexed { start[index].flags = UInt8(NGHTTP2_NV_FLAG_NONE.rawValue) }
        index += 1
      }
      var cursor = 0
      while let field = further?.next(&cursor) {
        start[index] = field.neverIndexed
        index += 1
      }
      var provider = nghttp2_data_provider(source: .init(ptr: stream), read_callback: readBody)
      return nghttp2_submit_request(session, nil, start, count, &provider, stream)
    }
    guard id > 0 else {
      store.give(stream)
      return nil
    }
    stream.pointee.begin(id: id)
    link(stream)
    return stream
  }

  /// Whether a client may open streams: the peer is not going away, and there are numbers left for them.
  package var mayRequest: Bool { nghttp2_session_check_request_allowed(session) != 0 }

  /// Streams that the peer lets us have open at once.
  package var peerMaxConcurrentStreams: Int {
    Int(min(nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS), UInt32(Int32.max)))
  }
}
