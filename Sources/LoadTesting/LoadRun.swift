package import Arrivals
internal import EventLoops
internal import GRPCClient
internal import HTTP2
internal import Inference
internal import Threads
internal import Transport

/// A load test against one server: threads, connections, and one step after the other.
///
/// `measure` is called from one thread; `interrupt` from any.
package final class LoadRun: @unchecked Sendable {  // `measure` is one thread's alone, and the interruption is guarded
  package let workload: Workload
  package let options: LoadOptions
  package let trace: ArrivalTrace?
  private let threads: [LoadThread]
  private let interruption = Interruption()
  /// Tallies that no thread counts in: one a thread, for the next swap.
  private var spares: [UnsafeMutablePointer<Tally>]

  /// Starts the threads; nothing is connected yet.
  ///
  /// - Throws: `LoadError` for an address, a file or an option that can't be used.
  package init(_ workload: Workload, _ options: LoadOptions, trace: ArrivalTrace? = nil) throws(LoadError) {
    self.workload = workload
    self.options = options
    self.trace = trace
    let threadCount = min(options.threads, options.connections)
    let (address, connection) = try Self.resolve(options)
    var threads: [LoadThread] = []
    for index in 0..<threadCount {
      let share = options.connections / threadCount + (index < options.connections % threadCount ? 1 : 0)
      do {
        let loop = try LoadLoop(
          workload, options, part: (index, threadCount), connections: share, to: address, connection)
        threads.append(try LoadThread(loop))
      } catch {
        for thread in threads { thread.close() }
        throw LoadError("a thread can't be started: \(error)")
      }
    }
    self.threads = threads
    spares = threads.map { _ in
      let tally = UnsafeMutablePointer<Tally>.allocate(capacity: 1)
      tally.initialize(to: Tally(targetCount: workload.targets.count))
      return tally
    }
  }

  deinit {
    for thread in threads { thread.close() }
    for spare in spares {
      spare.deinitialize(count: 1)
      spare.deallocate()
    }
  }

  private static func resolve(_ options: LoadOptions) throws(LoadError) -> (ResolvedAddress, ClientConnectionOptions) {
    guard let address = SocketAddress(options.address) else {
      throw LoadError("'\(options.address)' is no address; expected HOST:PORT, [IPv6]:PORT, :PORT or unix:PATH")
    }
    var connection = ClientConnectionOptions()
    connection.connectTimeout = options.connectTimeout
    connection.userAgent = "apus-load"
    if case .tcp(let host, _) = address {
      connection.serverName = host.isEmpty ? "localhost" : host
      connection.authority = address.description
    }
    if let tls = options.tls {
      do throws(TLSError) {
        connection.tls = try TLSContext(
          clientTrusting: tls.caFile, certificateFile: tls.certificateFile, keyFile: tls.keyFile)
      } catch {
        throw LoadError(error.description)
      }
    }
    let found: [ResolvedAddress]
    do throws(SystemError) {
      found = try ResolvedAddress.resolve(address)
    } catch {
      throw LoadError("\(options.address): \(error)", .unreachable)
    }
    guard let resolved = found.first else {
      throw LoadError("there is no address for \(options.address)", .unreachable)
    }
    return (resolved, connection)
  }

  // MARK: Run

  /// Opens every connection.
  ///
  /// - Throws: `LoadError` of kind `.unreachable`.
  package func connect() throws(LoadError) {
    let latch = Latch(count: threads.count)
    let failure = Locked<String?>(nil)
    for thread in threads {
      thread.execute { loop in
        loop.connect { outcome in
          if case .failed(let reason) = outcome { failure.withLock { $0 = reason } }
          latch.countDown()
        }
      }
    }
    latch.wait()
    if let reason = failure.withLock({ $0 }) {
      throw LoadError("can't connect to \(options.address): \(reason)", .unreachable)
    }
  }

  /// Ends the step that is being measured, with what was measured so far. Any thread.
  package func interrupt() { interruption.raise() }

  package var isInterrupted: Bool { interruption.isRaised }

  /// What a caller does besides, on its own thread.
  package struct Hooks {
    /// The warm-up is over, or a trace is about to begin.
    package var didWarmUp: () -> Void = {}
    package var didMeasureWindow: (WindowSample) -> Void = { _ in }
    /// The last window is over, and the answers to what was sent are still awaited.
    package var didMeasure: () -> Void = {}

    package init() {}
  }

  /// Runs one step: warm-up, windows until its end, and the answers that are still due then.
  ///
  /// Answers that come after the last window count in the step's latencies, so that slow ones are not left out, and not in
  /// its throughput. A trace has no warm-up: it is measured whole.
  package func measure(_ step: LoadStep, _ length: StepLength, hooks: Hooks = Hooks()) -> StepResult {
    let isTrace = step == .trace
    if isTrace { hooks.didWarmUp() }
    _ = takeTallies()  // what came since the last step
    let begin = Instant.now().advanced(byNanoseconds: 2_000_000)
    let trace = trace
    for thread in threads { thread.execute { $0.begin(step, trace, at: begin.nanoseconds) } }
    var total = Tally(targetCount: workload.targets.count)
    if !isTrace {
      interruption.wait(until: begin.advanced(byNanoseconds: options.warmUpNanoseconds))
      hooks.didWarmUp()
      let warmUp = takeTallies().all
      // Wrong answers count, whenever they came.
      (total.checked, total.mismatched) = (warmUp.checked, warmUp.mismatched)
    }
    var measurement = Measurement(
      start: isTrace ? begin : Instant.now(), length: length, windowNanoseconds: options.windowNanoseconds,
      process: options.process, isPrecise: options.isPrecise)
    while measurement.end == nil {
      interruption.wait(until: measurement.nextWindowEnd)
      let taken = takeTallies()
      let window = measurement.add(taken.all, busiest: taken.busiest, isInterrupted: interruption.isRaised)
      total.add(taken.all)
      hooks.didMeasureWindow(window)
    }
    finish(at: measurement.lastEnd, meanwhile: hooks.didMeasure)
    var tail = takeTallies().all
    // Nobody waited for those that an interruption cut off.
    if measurement.end == .interrupted { tail.forgetCancelled() }
    total.add(tail)
    let notes = takeNotes()
    return measurement.result(
      step, total, isTrace: isTrace, failures: notes.failures, mismatches: notes.mismatches)
  }

  /// Sends only what was due before `end`, and awaits what is in flight; what does not come is cancelled.
  private func finish(at end: Instant, meanwhile work: () -> Void) {
    let monitor = Monitor(count: threads.count)
    for thread in threads { thread.execute { $0.finish(at: end.nanoseconds) { monitor.countDown() } } }
    work()
    // Who interrupts a run does not want to wait.
    let isHurried = interruption.isRaised
    let latest = Instant.now().advanced(byNanoseconds: isHurried ? 300_000_000 : options.patienceNanoseconds)
    if monitor.wait(until: latest, or: isHurried ? nil : interruption) { return }
    for thread in threads { thread.execute { $0.cancelCalls() } }
    _ = monitor.wait(until: .never, or: nil)
  }

  /// Counts what every thread counted since the last time.
  private func takeTallies() -> (all: Tally, busiest: UInt64) {
    let latch = Latch(count: threads.count)
    let taken = Locked<[Int: TallyAddress]>([:])
    for (index, thread) in threads.enumerated() {
      let spare = TallyAddress(address: spares[index])
      thread.execute { loop in
        let counted = TallyAddress(address: loop.swap(spare.address))
        taken.withLock { $0[index] = counted }
        latch.countDown()
      }
    }
    latch.wait()
    var all = Tally(targetCount: workload.targets.count)
    var busiest: UInt64 = 0
    let found = taken.withLock { $0 }
    for index in threads.indices {
      guard let address = found[index]?.address else { continue }
      all.add(address.pointee)
      busiest = max(busiest, address.pointee.cpuNanoseconds)
      address.pointee.reset()
      spares[index] = address
    }
    return (all, busiest)
  }

  private func takeNotes() -> (failures: [String], mismatches: [String]) {
    let latch = Latch(count: threads.count)
    let found = Locked<(failures: [Int: String], mismatches: [String])>(([:], []))
    for thread in threads {
      thread.execute { loop in
        let (failures, mismatches) = (loop.failures, loop.mismatches)
        (loop.failures, loop.mismatches) = ([:], [])
        found.withLock {
          $0.failures.merge(failures) { first, _ in first }
          $0.mismatches += mismatches
        }
        latch.countDown()
      }
    }
    latch.wait()
    let notes = found.withLock { $0 }
    return (notes.failures.sorted { $0.key < $1.key }.map(\.value), Array(notes.mismatches.prefix(5)))
  }
}

/// A tally that one thread at a time has.
private struct TallyAddress: @unchecked Sendable {
  let address: UnsafeMutablePointer<Tally>
}
