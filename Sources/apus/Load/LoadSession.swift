internal import ApusClient
internal import Arrivals
internal import LoadTesting

/// Runs the steps of a load test, or the probes of a search, and keeps their results.
struct LoadSession {
  let run: LoadRun
  let pace: LoadPaceOptions
  let client: WaitingClient
  /// Whose statistics the server is asked for.
  let models: [String]
  let progress: LoadProgress

  func measure(_ report: inout LoadReport, defaultConcurrency: Int) {
    guard pace.findRate, let bound = pace.bounds.first else {
      let steps = pace.loadSteps(defaultConcurrency: defaultConcurrency)
      for (index, step) in steps.enumerated() {
        report.steps.append(measure(step, length(of: step), title: steps.count > 1 ? "\(index + 1)/\(steps.count) " : ""))
        if run.isInterrupted { return }
      }
      return
    }
    search(bound, &report)
  }

  private func search(_ bound: LoadReport.Bound, _ report: inout LoadReport) {
    let start = pace.rate.flatMap { LoadRange($0)?.first } ?? 1000
    var search = RateSearch(start: start, most: pace.maxRate)
    while search.outcome == nil, !run.isInterrupted {
      let least = pace.duration?.nanoseconds ?? 3 * pace.window.nanoseconds
      let length = RateSearch.probeNanoseconds(
        rate: search.rate, percentile: bound.percentile, least: least,
        most: pace.duration?.nanoseconds ?? pace.maxDuration.nanoseconds)
      let step = LoadStep.rate(search.rate, pace.process)
      let result = measure(step, StepLength(nanoseconds: length), title: "probe \(report.steps.count + 1) ")
      if run.isInterrupted, result.windows.count < 2 { break }
      let verdict = ClientLimits.verdict(result, percentile: bound.percentile, boundNanoseconds: bound.nanoseconds)
      progress.say("\(step.description): \(LoadProgress.text(result, bound.percentile)), \(verdict.text)")
      report.steps.append(result)
      search.record(verdict)
    }
    report.search = LoadReport.Search(
      percentile: bound.percentile, boundNanoseconds: bound.nanoseconds, rate: search.passed,
      outcome: search.outcome ?? .interrupted)
  }

  private func length(of step: LoadStep) -> StepLength {
    guard step == .trace, let trace = run.trace else { return pace.length }
    // The whole trace, unless --duration ends it earlier.
    let whole = trace.nanoseconds + 1_000_000
    return StepLength(nanoseconds: min(whole, pace.duration?.nanoseconds ?? whole))
  }

  private func measure(_ step: LoadStep, _ length: StepLength, title: String) -> StepResult {
    var before: [ModelStatistics] = []
    var after: [ModelStatistics] = []
    var hooks = LoadRun.Hooks()
    hooks.didWarmUp = { before = statistics() }
    hooks.didMeasureWindow = { progress.show("\(title)\(step.description)", $0) }
    hooks.didMeasure = { after = before.isEmpty ? [] : statistics() }
    var result = run.measure(step, length, hooks: hooks)
    result.serverStatistics = after.compactMap { now in
      ServerSplit(now, since: before.first { $0.name == now.name && $0.version == now.version })
    }
    return result
  }

  /// Empty where the server keeps none.
  private func statistics() -> [ModelStatistics] { models.flatMap { model in
      (try? client.wait { try await $0.modelStatistics(model, options: $1) }) ?? []
    } }
}

extension ServerSplit {
  /// Nil if the model has done nothing in between.
  init?(_ now: ModelStatistics, since before: ModelStatistics?) {
    let before = before ?? ModelStatistics(name: now.name, version: now.version)
    let requests = now.success.count &- before.success.count
    let failures = now.failure.count &- before.failure.count
    guard requests &+ failures > 0 else { return nil }
    func mean(_ part: (ModelStatistics) -> ModelStatistics.Total) -> Double {
      let count = part(now).count &- part(before).count
      return count == 0 ? 0 : Double(part(now).nanoseconds &- part(before).nanoseconds) / Double(count)
    }
    self.init(
      model: now.name, version: now.version, requests: requests, failures: failures,
      batches: now.executionCount &- before.executionCount, rows: now.inferenceCount &- before.inferenceCount,
      request: mean(\.success), queue: mean(\.queue), computeInput: mean(\.computeInput),
      computeInfer: mean(\.computeInfer), computeOutput: mean(\.computeOutput))
  }
}
