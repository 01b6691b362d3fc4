package import Inference

/// How traffic moves from an old deployment to a new one: in which steps, how long each is watched, and what sends it
/// back.
package struct RolloutPlan: Hashable, Sendable, Codable {
  /// Shares of the new deployment in percent of what the two hold together; ascending, each in 1...100.
  package var steps: [Int]
  /// How long each step is watched before the next.
  package var holdNanoseconds: UInt64
  package var bounds: RolloutBounds
  /// Requests the new deployment must have answered in a step before it is judged, and before the step is left. At
  /// least 1.
  package var minimumRequests: UInt64
  /// Longest time in one step; nil: as long as it takes, which is for ever on an endpoint that nobody calls.
  package var stepTimeoutNanoseconds: UInt64?
  /// What to do when a step was not passed in that time.
  package var onStepTimeout: StepTimeoutAction
  /// Copies before shares; nil: live traffic from the start.
  package var mirror: MirrorStep?
  /// The probability, over the whole rollout, that a new deployment that is as good as the bounds ask for is left
  /// alone. Above 0 and below 1.
  package var confidence: Double

  package enum StepTimeoutAction: String, Hashable, Sendable, Codable {
    case rollBack, pause
  }

  package static let maxSteps = 32

  /// A time-out for whoever names none: an hour more than the longest step is watched.
  package var standardStepTimeoutNanoseconds: UInt64 { longestHold + 3_600_000_000_000 }

  private var longestHold: UInt64 { max(holdNanoseconds, mirror?.holdNanoseconds ?? 0) }

  package init(
    steps: [Int] = [1, 5, 10, 25, 50, 100], holdNanoseconds: UInt64 = 60_000_000_000,
    bounds: RolloutBounds = RolloutBounds(), minimumRequests: UInt64 = 20, stepTimeoutNanoseconds: UInt64? = nil,
    onStepTimeout: StepTimeoutAction = .rollBack, mirror: MirrorStep? = nil, confidence: Double = 0.99
  ) {
    self.steps = steps
    self.holdNanoseconds = holdNanoseconds
    self.bounds = bounds
    self.minimumRequests = minimumRequests
    self.stepTimeoutNanoseconds = stepTimeoutNanoseconds
    self.onStepTimeout = onStepTimeout
    self.mirror = mirror
    self.confidence = confidence
  }

  /// The part of `1 - confidence` that one test of one step may use, so that all of them together keep the promise.
  var riskPerTest: Double {
    let tests = bounds.count * (steps.count + (mirror == nil ? 0 : 1)) + (mirror?.maxMismatch == nil ? 0 : 1)
    return (1 - confidence) / Double(max(tests, 1))
  }

  /// A test rests on three bounds, each of which may be wrong: the new deployment's rate, and the old one's in the step
  /// and in the whole rollout.
  var riskPerBound: Double { riskPerTest / 3 }

  /// - Throws: `.invalidArgument` that names the field, what is expected and what it is.
  package func validate() throws(InferenceError) {
    guard (1...Self.maxSteps).contains(steps.count) else {
      throw .invalidArgument("steps has \(steps.count) steps; expected 1 to \(Self.maxSteps)")
    }
    for (index, step) in steps.enumerated() {
      guard (1...100).contains(step) else {
        throw .invalidArgument("steps[\(index)] is \(step); expected a percentage from 1 to 100")
      }
      guard index == 0 || step > steps[index - 1] else {
        throw .invalidArgument("steps[\(index)] is \(step) after \(steps[index - 1]); expected ascending percentages")
      }
    }
    guard minimumRequests >= 1 else {
      throw .invalidArgument("minimum_requests is 0; expected at least 1")
    }
    guard confidence > 0, confidence < 1 else {
      throw .invalidArgument("confidence is \(confidence); expected a number above 0 and below 1, such as 0.99")
    }
    if let stepTimeoutNanoseconds, stepTimeoutNanoseconds < longestHold {
      throw .invalidArgument(
        "step_timeout is \(Figures.time(stepTimeoutNanoseconds)); expected at least the hold time, "
          + Figures.time(longestHold))
    }
    try bounds.validate()
    try mirror?.validate()
  }
}

/// How much worse than the old deployment the new one may be. A bound that is nil is not watched.
package struct RolloutBounds: Hashable, Sendable, Codable {
  /// Most that the new error rate may exceed the old one by: 0.01 is one percentage point.
  package var maxErrorDifference: Double?
  /// Most that the new error rate may be as a multiple of the old one.
  package var maxErrorRatio: Double?
  /// Most that the new latency may be as a multiple of the old one, at `latencyPercentile`. At least 1.
  package var maxLatencyRatio: Double?
  /// Above 0, below 100.
  package var latencyPercentile: Double
  /// A latency that is worse by less than this is not held against the new deployment: twice 50 µs is no regression.
  package var latencySlackNanoseconds: UInt64
  /// Successful requests that either side needs before latencies are compared.
  package var minimumLatencySamples: UInt64

  package init(
    maxErrorDifference: Double? = 0.01, maxErrorRatio: Double? = nil, maxLatencyRatio: Double? = 1.5,
    latencyPercentile: Double = 95, latencySlackNanoseconds: UInt64 = 1_000_000, minimumLatencySamples: UInt64 = 50
  ) {
    self.maxErrorDifference = maxErrorDifference
    self.maxErrorRatio = maxErrorRatio
    self.maxLatencyRatio = maxLatencyRatio
    self.latencyPercentile = latencyPercentile
    self.latencySlackNanoseconds = latencySlackNanoseconds
    self.minimumLatencySamples = minimumLatencySamples
  }

  /// How many of them are watched.
  var count: Int {
    (maxErrorDifference == nil ? 0 : 1) + (maxErrorRatio == nil ? 0 : 1) + (maxLatencyRatio == nil ? 0 : 1)
  }

  func validate() throws(InferenceError) {
    if let maxErrorDifference, !(maxErrorDifference >= 0 && maxErrorDifference < 1) {
      throw .invalidArgument("max_error_difference is \(maxErrorDifference); expected a share from 0 to below 1")
    }
    if let maxErrorRatio, !(maxErrorRatio >= 1 && maxErrorRatio.isFinite) {
      throw .invalidArgument("max_error_ratio is \(maxErrorRatio); expected a number of at least 1")
    }
    if let maxLatencyRatio, !(maxLatencyRatio >= 1 && maxLatencyRatio.isFinite) {
      throw .invalidArgument("max_latency_ratio is \(maxLatencyRatio); expected a number of at least 1")
    }
    guard latencyPercentile > 0, latencyPercentile < 100 else {
      throw .invalidArgument("latency_percentile is \(latencyPercentile); expected a number above 0 and below 100")
    }
  }
}

/// A first step in which the new deployment gets copies, and nobody its answers.
package struct MirrorStep: Hashable, Sendable, Codable {
  /// Share of the requests that are copied, 1 to 50.
  package var percent: Int
  package var holdNanoseconds: UInt64
  /// Largest share of compared answers that may differ, as the comparison counts them; nil: not watched.
  package var maxMismatch: Double?
  /// Comparisons needed before the step is judged and left. At least 1.
  package var minimumComparisons: UInt64

  package init(
    percent: Int = 10, holdNanoseconds: UInt64 = 60_000_000_000, maxMismatch: Double? = 0.01,
    minimumComparisons: UInt64 = 50
  ) {
    self.percent = percent
    self.holdNanoseconds = holdNanoseconds
    self.maxMismatch = maxMismatch
    self.minimumComparisons = minimumComparisons
  }

  func validate() throws(InferenceError) {
    guard (1...50).contains(percent) else {
      throw .invalidArgument("mirror.percent is \(percent); expected 1 to 50")
    }
    guard minimumComparisons >= 1 else {
      throw .invalidArgument("mirror.minimum_comparisons is 0; expected at least 1")
    }
    if let maxMismatch, !(maxMismatch >= 0 && maxMismatch < 1) {
      throw .invalidArgument("mirror.max_mismatch is \(maxMismatch); expected a share from 0 to below 1")
    }
  }
}
