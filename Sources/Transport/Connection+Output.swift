internal import EventLoops
internal import Glibc
internal import HTTP2
internal import Inference

/// The writing half of a connection: what a turn produced leaves in one write, and what the socket does not take waits.
extension Connection {
  /// Asks for a flush at the end of this turn.
  package func setNeedsFlush() {
    guard !isDirty, state != .closed else { return }
    isDirty = true
    transport.markDirty(self)
  }

  /// Most that one connection writes while others wait, and as much as one answer more.
  private static let turnBytes = 1 << 20

  func flush() {
    isDirty = false
    guard speaksHTTP2, state != .closed, pending.isEmpty else { return }
    let buffer = transport.output
    var writtenBytes = 0
    repeat {
      do throws(HTTP2Error) {
        let mayHaveMore = try session.collectOutput(into: buffer)
        guard write(buffer) else { return close(closeReason) }
        processEvents()
        guard state != .closed else { return }
        writtenBytes += lastFlushBytes
        // Enough for now: the loop's other connections are next.
        if writtenBytes >= Self.turnBytes, pending.isEmpty { return setNeedsFlush() }
        if !mayHaveMore && !session.wantsToWrite { break }
      } catch {
        buffer.reset()  // the next connection's bytes go into it
        return close(.protocolError(error))
      }
      // What still wants to be written may be blocked by the peer's windows: then nothing was collected.
    } while pending.isEmpty && lastFlushBytes > 0
    finishIfDone()
  }

  /// Whether TLS is done here: the kernel may do it for us, and then takes plain bytes.
  private var writesRecords: Bool {
    guard let tls else { return false }
    return !tls.sendsInKernel
  }

  /// Writes the buffer; what the socket does not take becomes pending. False if the connection is lost: `closeReason`.
  private func write(_ buffer: OutputBuffer) -> Bool {
    lastFlushBytes = buffer.byteCount
    guard !buffer.isEmpty else { return true }
    clock.lastWriteProgress = transport.loop.now
    if writesRecords {
      pending.take(from: buffer, after: 0)
      return writePending()
    }
    let written = withUnsafeTemporaryAllocation(of: iovec.self, capacity: buffer.pieceCount) { vectors in
      for (index, piece) in buffer.pieces.enumerated() {
        vectors[index] = iovec(
          iov_base: UnsafeMutableRawPointer(mutating: piece.bytes.baseAddress), iov_len: piece.bytes.count)
      }
      return sendVectors(vectors.baseAddress, buffer.pieceCount)
    }
    if written == buffer.byteCount {
      buffer.reset()
      return true
    }
    guard written >= 0 || errno == EAGAIN || errno == EINTR else {
      closeReason = .system(.last("write"))
      buffer.reset()
      return false
    }
    pending.take(from: buffer, after: max(written, 0))
    waitToWrite(until: .writable)
    return true
  }

  /// Goes on with what is pending when the socket is ready for it.
  private func waitToWrite(until readiness: Readiness) {
    writeAwaitsInput = readiness == .readable
    countPending()
    setInterest([.readable, readiness])
    armTimer()
  }

  /// Counts the bytes that the socket did not take: their calls are over, and count them no more.
  func countPending() {
    let more = (state == .closed ? 0 : pending.byteCount) - countedPendingBytes
    guard more != 0 else { return }
    countedPendingBytes += more
    transport.memory.take(more)
  }

  func socketIsWritable() {
    guard !pending.isEmpty else {
      if state != .handshake { setInterest(.readable) }
      return
    }
    guard writePending() else { return close(closeReason) }
    if pending.isEmpty {
      setInterest(.readable)
      countPending()
      flush()
    }
  }

  /// False if the connection is lost: `closeReason`.
  private func writePending() -> Bool {
    while !pending.isEmpty {
      let written = !writesRecords ? writePendingPlain() : writePendingTLS()
      switch written {
      case .bytes(let count):
        pending.drop(count)
        clock.lastWriteProgress = transport.loop.now
      case .wantsRead:
        waitToWrite(until: .readable)
        return true
      case .wantsWrite:
        waitToWrite(until: .writable)
        return true
      case .closed:
        closeReason = .peer
        return false
      case .failed(let reason):
        closeReason = !writesRecords ? .system(.last("write")) : .tls(reason)
        return false
      }
    }
    return true
  }

  private func writePendingPlain() -> TLSStream.Outcome {
    let written = withUnsafeTemporaryAllocation(of: iovec.self, capacity: 512) { vectors in
      sendVectors(vectors.baseAddress, pending.fill(vectors))
    }
    if written >= 0 { return .bytes(written) }
    return errno == EAGAIN || errno == EINTR ? .wantsWrite : .failed("")
  }

  /// A record of up to 16 KiB, gathered so that small pieces do not become small records.
  private func writePendingTLS() -> TLSStream.Outcome {
    guard let tls else { return .closed }
    return withUnsafeTemporaryAllocation(byteCount: 16384, alignment: 16) { record in
      withUnsafeTemporaryAllocation(of: iovec.self, capacity: 64) { vectors in
        var used = 0
        for vector in vectors[..<pending.fill(vectors)] where used < record.count {
          guard let start = vector.iov_base else { continue }
          let taken = min(vector.iov_len, record.count - used)
          UnsafeMutableRawBufferPointer(rebasing: record[used...]).copyMemory(
            from: UnsafeRawBufferPointer(start: start, count: taken))
          used += taken
        }
        return tls.write(UnsafeRawBufferPointer(rebasing: record[..<used]))
      }
    }
  }

  /// writev(2) without the signal: sendmsg(2) with MSG_NOSIGNAL.
  private func sendVectors(_ vectors: UnsafeMutablePointer<iovec>?, _ count: Int) -> Int {
    var message = msghdr()
    message.msg_iov = vectors
    message.msg_iovlen = count
    return sendmsg(socket.descriptor, &message, Self.noSignal)
  }

  func setInterest(_ wanted: Readiness) {
    guard wanted != interest, let registration else { return }
    interest = wanted
    transport.loop.setInterest(wanted, of: registration)
  }
}
