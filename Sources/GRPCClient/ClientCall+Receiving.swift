internal import GRPC
internal import HTTP2
internal import Inference
internal import Transport

/// The answer's way in: headers, the body cut into messages, and the end.
extension ClientCallPointer {
  func receiveHeaders(_ stream: StreamPointer, limitBytes: Int) {
    if stream.pointee.headersTooLarge {
      return fail(GRPCStatus(.resourceExhausted, "the answer's headers are over the limit of \(limitBytes) bytes"))
    }
    let head = ResponseHead(stream.pointee.headers)
    if head.isTrailersOnly { return }
    guard head.isGRPC else {
      let status = head.httpStatus
      let type = head.contentType.map { String(decoding: $0, as: UTF8.self) } ?? "none"
      let text = "the answer is not gRPC: HTTP status \(status), content-type \(type)"
      return end(GRPCStatus(GRPCStatus.Code(httpStatus: status), text), .server)
    }
    if let name = head.encoding {
      guard let encoding = MessageEncoding(name: name) else {
        let given = String(decoding: name, as: UTF8.self)
        return fail(GRPCStatus(.internal, "the answer's grpc-encoding '\(given)' was not offered"))
      }
      raw.pointee.encoding = encoding
    }
    raw.pointee.observer?.receivedHeaders(on: self)
  }

  func receive(_ bytes: UnsafeRawBufferPointer, _ stream: StreamPointer, _ connection: Connection, maxMessageBytes: Int) {
    if let pause = raw.pointee.pause, pause.isPaused {
      // Only the stream's share waits for the reader: the connection's would stop every other call on it.
      pause.unconsumedBytes += bytes.count
      connection.session.consumeConnection(bytes.count)
    } else {
      connection.consume(bytes.count, of: stream)
    }
    var rest = bytes
    // The observer may end the call meanwhile.
    while isOpen {
      switch raw.pointee.reader.read(&rest) {
      case .needsMore: return
      case .prefix(let isCompressed, let length):
        beginMessage(isCompressed: isCompressed, length: length, limit: maxMessageBytes)
      case .complete:
        raw.pointee.reader.finish()
        completeMessage(limit: maxMessageBytes)
        if rest.isEmpty { return }
      case .malformed(let flag):
        fail(GRPCStatus(.internal, "a message's compression flag is \(flag); it is 0 or 1"))
      }
    }
  }

  private func beginMessage(isCompressed: Bool, length: Int, limit: Int) {
    if length > limit {
      return fail(GRPCStatus(.resourceExhausted, "the answer's message has \(length) bytes; the limit is \(limit)"))
    }
    if isCompressed, raw.pointee.encoding == .identity {
      return fail(GRPCStatus(.internal, "a message is flagged as compressed, but grpc-encoding names no encoding"))
    }
    raw.pointee.messageCount += 1
    if raw.pointee.messageCount == 2, expectsOne {
      return fail(GRPCStatus(.internal, "the call takes one message for an answer; a second one came"))
    }
    let message = raw.pointee.loop._withUnsafeGuaranteedRef { $0.buffers.take(byteCount: length) }
    guard let message else { return fail(GRPCStatus(.resourceExhausted, "no memory for a message of \(length) bytes")) }
    raw.pointee.isMessageCompressed = isCompressed
    raw.pointee.message = message
    raw.pointee.reader.begin(into: message.bytes)
  }

  private var expectsOne: Bool { raw.pointee.template?._withUnsafeGuaranteedRef { $0.answer == .one } ?? false }

  private func completeMessage(limit: Int) {
    if raw.pointee.isMessageCompressed {
      guard decompress(limit: limit) else { return }
    }
    let message = raw.pointee.message
    raw.pointee.message = .none
    if let pause = raw.pointee.pause, pause.isPaused || !pause.messages.isEmpty {
      pause.messages.append(message)
    } else {
      raw.pointee.observer?.received(message, on: self)
    }
  }

  /// Replaces the message by its decompressed form. False if the call has ended.
  private func decompress(limit: Int) -> Bool {
    let compressed = raw.pointee.message
    do throws(MessageEncoding.DecompressionError) {
      let plain = try raw.pointee.encoding.decompress(UnsafeRawBufferPointer(compressed.bytes), limit: limit)
      let buffers = raw.pointee.loop._withUnsafeGuaranteedRef { $0.buffers }
      guard let message = buffers.take(byteCount: plain.count) else { throw .tooLarge }
      message.bytes.copyBytes(from: plain)
      raw.pointee.message = message
      buffers.give(compressed)
      return true
    } catch {
      switch error {
      case .tooLarge:
        fail(GRPCStatus(.resourceExhausted, "the answer's message is over \(limit) bytes after decompression"))
      case .corrupt: fail(GRPCStatus(.internal, "the answer's message is not valid \(raw.pointee.encoding.name)"))
      }
      return false
    }
  }

  func receiveEnd() {
    if raw.pointee.reader.isInside { return fail(GRPCStatus(.internal, "the answer ended inside a message")) }
    if let pause = raw.pointee.pause, pause.isPaused || !pause.messages.isEmpty {
      pause.hasEnded = true
      return
    }
    let status = statusAtEnd
    // What comes with the trailers is the server's word; that a message is missing, ours.
    end(status, .server)
  }

  /// What the server sent is not to be used.
  func fail(_ status: GRPCStatus) { end(status, .client) }
}
