internal import Arrivals
internal import EventLoops
internal import GRPC
internal import GRPCClient
internal import Inference

extension LoadLoop {
  /// Starts every call that is due. Once a turn, at its end.
  func pump() {
    var now = Instant.now().nanoseconds
    while true {
      switch state.pointee.pace.decide(at: now) {
      case .start(let due, let position):
        if !start(due: due, position: position, now: now) { return wait(until: 0) }
        if state.pointee.isOpenLoop { now = Instant.now().nanoseconds }
      case .wait(let until):
        state.pointee.isBacklogged = false
        return wait(until: until)
      case .waitForAnswer: return wait(until: 0)
      case .finished:
        wait(until: 0)
        return tellIfIdle()
      }
    }
  }

  private func wait(until nanoseconds: UInt64) {
    if options.isPrecise, state.pointee.isOpenLoop, nanoseconds > 0 {
      eventLoop.turnAgain()
    } else {
      timer?.set(nanoseconds)
    }
  }

  /// False if there is no stream for it now. Without any connection an arrival of an open loop fails at once: callers
  /// would not wait either.
  private func start(due: UInt64, position: Int, now: UInt64) -> Bool {
    guard state.pointee.readyConnections > 0 else {
      guard state.pointee.isOpenLoop else { return false }
      state.pointee.pace.pass()
      state.pointee.tally.pointee.notSent += 1
      state.pointee.tally.pointee.statuses[GRPCStatus.Code.unavailable.rawValue] += 1
      return true
    }
    while let index = state.pointee.permits.take() {
      guard let connection = state.pointee.connections[Int(index)],
        connection._withUnsafeGuaranteedRef({ $0.mayStartCall })
      else {
        state.pointee.permits.putAside(index)
        continue
      }
      let message = workload.draw(&state.pointee.random, position: position)
      let target = Int(workload.messages[message].target)
      var deadline = Instant.never
      if let nanoseconds = options.deadlineNanoseconds {
        deadline = Instant(nanoseconds: now).advanced(byNanoseconds: nanoseconds)
      }
      state.pointee.freeCount -= 1
      let slot = state.pointee.freeSlots[state.pointee.freeCount]
      let started = connection._withUnsafeGuaranteedRef { connection in
        state.pointee.templates[target]?._withUnsafeGuaranteedRef {
          connection.start($0, deadline: deadline, observer: self, tag: UInt(slot))
        } ?? nil
      }
      guard let call = started else {
        state.pointee.freeCount += 1
        state.pointee.permits.putAside(index)
        continue
      }
      slots[Int(slot)] = Slot(call: call, due: due, message: message, connection: index, isChecked: isToBeChecked())
      state.pointee.pace.didStart()
      state.pointee.tally.pointee.sent += 1
      if state.pointee.isBacklogged { state.pointee.tally.pointee.waitedForStream += 1 }
      if state.pointee.isOpenLoop { state.pointee.tally.pointee.sendLag.record(now > due ? now &- due : 0) }
      send(workload.messages[message].bytes, call)
      return true
    }
    state.pointee.isBacklogged = state.pointee.isOpenLoop
    return false
  }

  private func send(_ bytes: UnsafeRawBufferPointer, _ call: ClientCallPointer) {
    state.pointee.tally.pointee.bytesSent += UInt64(bytes.count)
    // Small ones share a buffer with their prefix; large ones are sent from where they lie, which outlives the run.
    if bytes.count < 1024 { return call.send(copying: bytes, endOfStream: true) }
    withUnsafeTemporaryAllocation(of: Segment.self, capacity: 1) { segments in
      segments.initializeElement(at: 0, to: Segment(bytes: bytes))
      call.send(segments, endOfStream: true)
    }
  }

  private func isToBeChecked() -> Bool {
    guard options.checkEvery > 0 else { return false }
    if state.pointee.untilCheck > 0 {  // the first hundred
      state.pointee.untilCheck -= 1
      if state.pointee.untilCheck == 0 { state.pointee.untilCheck = -options.checkEvery }
      return true
    }
    state.pointee.untilCheck += 1
    guard state.pointee.untilCheck == 0 else { return false }
    state.pointee.untilCheck = -options.checkEvery
    return true
  }
}

extension LoadLoop: ClientCallObserver {
  func received(_ message: MessageBuffer, on call: ClientCallPointer) {
    state.pointee.tally.pointee.bytesReceived += UInt64(message.bytes.count)
    let slot = slots + Int(call.tag)
    if slot.pointee.isChecked { check(UnsafeRawBufferPointer(message.bytes), slot.pointee.message) }
    state.pointee.buffers?._withUnsafeGuaranteedRef { $0.give(message) }
  }

  func finished(_ call: ClientCallPointer, _ outcome: CallOutcome) {
    let slot = slots + Int(call.tag)
    let code = outcome.status.code.rawValue
    state.pointee.tally.pointee.statuses[code] += 1
    let latency = Instant.now().nanoseconds &- slot.pointee.due
    if code == Tally.resourceExhausted { state.pointee.tally.pointee.refusalLatency.record(latency) }
    if code == 0 {
      state.pointee.tally.pointee.latency.record(latency)
      if !state.pointee.tally.pointee.targets.isEmpty {
        state.pointee.tally.pointee.targets[Int(workload.messages[slot.pointee.message].target)].record(latency)
      }
    } else if failures[code] == nil {
      failures[code] = "\(outcome.status)"
    }
    slot.pointee.call = nil
    state.pointee.permits.give(slot.pointee.connection)
    state.pointee.freeSlots[state.pointee.freeCount] = Int32(truncatingIfNeeded: call.tag)
    state.pointee.freeCount += 1
    state.pointee.pace.didFinish()
    // For each call that ends by itself, so that the ones given up do not breed more.
    if options.cancelShare > 0, code != GRPCStatus.Code.cancelled.rawValue { giveUpOne() }
  }

  /// Cancels, with the probability asked for, the first call in flight from a random place of the table on.
  private func giveUpOne() {
    guard state.pointee.random.unit() < options.cancelShare else { return }
    let start = Int(state.pointee.random.next() % UInt64(slotCount))
    for offset in 0..<slotCount {
      let slot = slots + (start + offset) % slotCount
      if let call = slot.pointee.call { return call.cancel() }
    }
  }

  private func check(_ answer: UnsafeRawBufferPointer, _ message: Int) {
    guard let reference = workload.reference(of: message) else { return }
    state.pointee.tally.pointee.checked += 1
    guard let difference = reference.difference(from: answer) else { return }
    state.pointee.tally.pointee.mismatched += 1
    if mismatches.count < 5 {
      mismatches.append("\(workload.targets[Int(workload.messages[message].target)].name): \(difference)")
    }
  }
}
