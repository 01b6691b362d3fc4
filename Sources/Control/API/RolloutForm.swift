internal import Documents
internal import Inference
internal import Resources
internal import Rollouts

/// A rollout's plan as REST writes it: times are ISO 8601 durations.
internal final class RolloutForm {
  private let object: Document.Object
  private let place: String
  private var asked: Set<String> = []
  private var parts: [RolloutForm] = []

  init(_ document: Document, place: String = "properties") {
    object = document.object ?? [:]
    self.place = place
  }

  func text(_ key: String) throws(ControlError) -> String {
    guard let text = try optionalText(key) else {
      throw ControlError(.badArgument, "\(place).\(key) is missing: expected the name of a deployment")
    }
    return text
  }

  func optionalText(_ key: String) throws(ControlError) -> String? {
    guard let value = value(key) else { return nil }
    guard let text = value.string else { throw unexpected(key, "a string", value) }
    return text
  }

  /// Refuses keys that nothing asked for.
  func finish() throws(ControlError) {
    for part in parts { try part.finish() }
    for key in object.keys where !asked.contains(key) {
      let nearest = NearestName.of(key, in: asked.sorted()).map { ". Did you mean '\($0)'?" } ?? ""
      throw ControlError(.badArgument, "\(place).\(key) is not known\(nearest)")
    }
  }

  func plan() throws(ControlError) -> RolloutPlan {
    var plan = RolloutPlan()
    if let steps = value("steps") {
      guard let list = steps.array, list.allSatisfy({ $0.int != nil }) else { throw unexpected("steps", "a list of percentages", steps) }
      plan.steps = list.compactMap(\.int)
    }
    if let hold = try duration("hold") { plan.holdNanoseconds = hold }
    if let count = try count("minimumRequests") { plan.minimumRequests = count }
    if let text = try optionalText("onStepTimeout") {
      guard let action = RolloutPlan.StepTimeoutAction(rawValue: text) else {
        throw unexpected("onStepTimeout", "'rollBack' or 'pause'", .string(text))
      }
      plan.onStepTimeout = action
    }
    if let confidence = try number("confidence") { plan.confidence = confidence }
    if let bounds = part("bounds") {
      plan.bounds.maxErrorDifference = try bounds.bound("maxErrorDifference", plan.bounds.maxErrorDifference)
      plan.bounds.maxErrorRatio = try bounds.bound("maxErrorRatio", plan.bounds.maxErrorRatio)
      plan.bounds.maxLatencyRatio = try bounds.bound("maxLatencyRatio", plan.bounds.maxLatencyRatio)
      if let percentile = try bounds.number("latencyPercentile") { plan.bounds.latencyPercentile = percentile }
      if let slack = try bounds.number("latencySlackMs") {
        guard (0...86_400_000).contains(slack) else { throw unexpected("bounds.latencySlackMs", "0 or more", .double(slack)) }
        plan.bounds.latencySlackNanoseconds = UInt64(slack * 1_000_000)
      }
      if let samples = try bounds.count("minimumLatencySamples") { plan.bounds.minimumLatencySamples = samples }
    }
    if let mirror = part("mirror") {
      var step = MirrorStep()
      if let percent = try mirror.count("percent") { step.percent = Int(clamping: percent) }
      if let hold = try mirror.duration("hold") { step.holdNanoseconds = hold }
      step.maxMismatch = try mirror.bound("maxMismatch", step.maxMismatch)
      if let count = try mirror.count("minimumComparisons") { step.minimumComparisons = count }
      plan.mirror = step
    }
    // After the steps' times, which the time-out that nobody named depends on.
    plan.stepTimeoutNanoseconds = try bound("stepTimeout", plan.standardStepTimeoutNanoseconds, duration)
    do throws(InferenceError) { try plan.validate() } catch { throw ControlError(.badArgument, "\(place): \(error.message)") }
    return plan
  }

  static func document(_ plan: RolloutPlan) -> Document.Object {
    func optional(_ number: Double?) -> Document { number.map(Document.double) ?? .null }
    var document: Document.Object = [
      "steps": .array(plan.steps.map(Document.int)), "hold": .string(text(plan.holdNanoseconds)),
      "minimumRequests": .int(Int(plan.minimumRequests)),
      "stepTimeout": plan.stepTimeoutNanoseconds.map { Document.string(text($0)) } ?? .null,
      "onStepTimeout": .string(plan.onStepTimeout.rawValue),
      "confidence": .double(plan.confidence),
      "bounds": [
        "maxErrorDifference": optional(plan.bounds.maxErrorDifference), "maxErrorRatio": optional(plan.bounds.maxErrorRatio),
        "maxLatencyRatio": optional(plan.bounds.maxLatencyRatio), "latencyPercentile": .double(plan.bounds.latencyPercentile),
        "latencySlackMs": .double(Double(plan.bounds.latencySlackNanoseconds) / 1_000_000),
        "minimumLatencySamples": .int(Int(plan.bounds.minimumLatencySamples)),
      ],
    ]
    if let mirror = plan.mirror {
      document["mirror"] = [
        "percent": .int(mirror.percent), "hold": .string(text(mirror.holdNanoseconds)), "maxMismatch": optional(mirror.maxMismatch),
        "minimumComparisons": .int(Int(mirror.minimumComparisons)),
      ]
    }
    return document
  }

  // MARK: - Values

  private func value(_ key: String) -> Document? {
    asked.insert(key)
    guard let value = object[key], value != .null else { return nil }
    return value
  }

  private func part(_ key: String) -> RolloutForm? {
    guard let value = value(key) else { return nil }
    let part = RolloutForm(value, place: "\(place).\(key)")
    parts.append(part)
    return part
  }

  /// `null` takes a bound away; what is not there leaves it at its default.
  private func bound<Value>(
    _ key: String, _ standard: Value?, _ read: (String) throws(ControlError) -> Value?
  ) throws(ControlError) -> Value? {
    if object[key] == .null {
      asked.insert(key)
      return nil
    }
    return try read(key) ?? standard
  }

  private func bound(_ key: String, _ standard: Double?) throws(ControlError) -> Double? {
    try bound(key, standard, number)
  }

  private func number(_ key: String) throws(ControlError) -> Double? {
    guard let value = value(key) else { return nil }
    guard let number = value.double, number.isFinite else { throw unexpected(key, "a number", value) }
    return number
  }

  private func count(_ key: String) throws(ControlError) -> UInt64? {
    guard let value = value(key) else { return nil }
    guard let count = value.int, count >= 0 else { throw unexpected(key, "a whole number of 0 or more", value) }
    return UInt64(count)
  }

  private func duration(_ key: String) throws(ControlError) -> UInt64? {
    guard let value = value(key) else { return nil }
    guard let milliseconds = value.string.flatMap(ISODuration.milliseconds), milliseconds >= 0 else {
      throw unexpected(key, "a duration such as 'PT30S' or 'PT1M'", value)
    }
    return UInt64(milliseconds) * 1_000_000
  }

  private static func text(_ nanoseconds: UInt64) -> String { ISODuration.text(Int(nanoseconds / 1_000_000)) }

  private func unexpected(_ key: String, _ expected: String, _ value: Document) -> ControlError {
    ControlError(.badArgument, "\(place).\(key) is \(value.quoted): expected \(expected)")
  }
}
