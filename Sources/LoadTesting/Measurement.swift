internal import Inference

/// The windows of one step, and when it ends.
struct Measurement {
  private let start: Instant
  private let length: StepLength
  private let process: WatchedProcess?
  private let isPrecise: Bool
  private let windowNanoseconds: UInt64
  private var windows: [WindowSample] = []
  /// Of the last window; the start before the first.
  private(set) var lastEnd: Instant
  private var lastOwnCPU: UInt64
  private var firstServerCPU: UInt64?
  private var lastServerCPU: UInt64?
  private var ownCPU: UInt64 = 0
  private var busiestNanoseconds: UInt64 = 0
  private(set) var end: StepResult.End?

  init(
    start: Instant, length: StepLength, windowNanoseconds: UInt64, process: WatchedProcess?, isPrecise: Bool
  ) {
    self.windowNanoseconds = windowNanoseconds
    (self.start, self.length, self.process, self.isPrecise) = (start, length, process, isPrecise)
    lastEnd = start
    lastOwnCPU = ProcessUsage.ownNanoseconds()
    firstServerCPU = process?.cpuNanoseconds()
    lastServerCPU = firstServerCPU
  }

  /// When the present window is over. The last one takes what would be less than half a window more.
  var nextWindowEnd: Instant {
    let last = start.advanced(byNanoseconds: length.nanoseconds)
    let next = lastEnd.advanced(byNanoseconds: windowNanoseconds)
    return next.advanced(byNanoseconds: windowNanoseconds / 2) > last ? last : next
  }

  /// Ends a window now.
  ///
  /// - Parameter busiest: CPU time of the busiest thread in it.
  mutating func add(_ tally: Tally, busiest: UInt64, isInterrupted: Bool) -> WindowSample {
    let now = Instant.now()
    let nanoseconds = max(now.nanoseconds(since: lastEnd), 1)
    let used = ProcessUsage.ownNanoseconds()
    var window = WindowSample(
      tally, startSeconds: Double(lastEnd.nanoseconds(since: start)) / 1e9, seconds: Double(nanoseconds) / 1e9,
      clientCPUs: Double(used &- lastOwnCPU) / Double(nanoseconds))
    if let process, let cpu = process.cpuNanoseconds(), let last = lastServerCPU {
      window.serverCPUNanoseconds = cpu &- last
      window.serverResidentBytes = process.residentBytes()
      lastServerCPU = cpu
    }
    ownCPU += used &- lastOwnCPU
    busiestNanoseconds += busiest
    (lastEnd, lastOwnCPU) = (now, used)
    windows.append(window)
    decideEnd(now, isInterrupted)
    return window
  }

  private mutating func decideEnd(_ now: Instant, _ isInterrupted: Bool) {
    if isInterrupted {
      end = .interrupted
    } else if isStable, length.stability != nil {
      end = .stable
    } else if now.advanced(byNanoseconds: windowNanoseconds / 2) >= start.advanced(byNanoseconds: length.nanoseconds) {
      // A window that is ended late may have left too little for another.
      end = length.stability == nil ? .duration : .longest
    }
  }

  /// By the rule of the step, or by five per cent where it has none.
  private var isStable: Bool {
    (length.stability ?? StabilityRule(tolerance: 0.05)).isStable(
      throughputs: windows.map(\.throughput), latencies: windows.map { Double($0.p50) })
  }

  func result(
    _ step: LoadStep, _ total: Tally, isTrace: Bool, failures: [String], mismatches: [String]
  ) -> StepResult {
    let seconds = Double(lastEnd.nanoseconds(since: start)) / 1e9
    var result = StepResult(
      step: step, end: isTrace && end == .duration ? .traceEnd : end ?? .interrupted, isStable: isStable,
      seconds: seconds, total: total, windows: windows,
      busiestThread: isPrecise && step.isOpenLoop ? nil : Double(busiestNanoseconds) / (seconds * 1e9),
      clientCPUs: Double(ownCPU) / (seconds * 1e9), failures: failures, mismatches: mismatches)
    if let first = firstServerCPU, let last = lastServerCPU {
      result.serverCPUNanoseconds = last &- first
      result.serverResidentBytes = windows.last?.serverResidentBytes
    }
    return result
  }
}
