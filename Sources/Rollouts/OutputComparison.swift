package import Inference

/// The comparison of a shadow deployment's answers with the live ones, output by output, in memory of constant size.
///
/// Which outputs hold labels is decided when an output is first seen, unless `labelRules` says: integers, BOOL and
/// BYTES are labels themselves; a floating-point output of two axes whose rows are probabilities, or whose name says
/// that it holds scores, has its label where its greatest element is; others have none.
package struct OutputComparison: Sendable {
  /// Most output names with figures of their own.
  package static let maxOutputs = 64
  /// Most examples kept of each output.
  package static let maxExamples = 5
  /// Longer request ids are cut to so many bytes.
  package static let maxRequestIDBytes = 128

  package let tolerance: Tolerance
  package let labelRules: [String: LabelRule]
  package private(set) var report = MirrorReport()
  private var places: [String: Int] = [:]

  package init(tolerance: Tolerance = Tolerance(), labelRules: [String: LabelRule] = [:]) {
    self.tolerance = tolerance
    self.labelRules = labelRules
  }

  /// Counts a copy that the shadow did not answer.
  package mutating func shadowFailed() { report.shadowFailures += 1 }

  /// Takes in the two answers to one request. Outputs are matched by name. Reads the tensors, keeps nothing of them.
  ///
  /// - Returns: Whether they match.
  @discardableResult
  package mutating func compare(
    live: UnsafeBufferPointer<Tensor>, shadow: UnsafeBufferPointer<Tensor>, requestID: String
  ) -> Bool {
    let requestID = Self.cut(requestID)
    var found: AnswerDifferences = []
    for tensor in live {
      let match = shadow.first { $0.name == tensor.name }
      found.formUnion(compare(tensor, match, requestID: requestID))
    }
    for tensor in shadow where !live.contains(where: { $0.name == tensor.name }) {
      found.insert(.structure)
      guard let place = place(of: tensor, rule: { _ in .none }) else { continue }
      report.outputs[place].missingInLive += 1
      note(.structure, 1, "only the shadow gives it", requestID, at: place)
    }
    report.comparedRequests += 1
    if found.isMismatch { report.mismatchedRequests += 1 }
    if found.contains(.label) { report.requestsWithOtherLabels += 1 }
    if found.contains(.number) { report.requestsWithOtherNumbers += 1 }
    if found.contains(.structure) { report.requestsWithOtherStructure += 1 }
    return !found.isMismatch
  }

  private mutating func compare(_ live: Tensor, _ shadow: Tensor?, requestID: String) -> AnswerDifferences {
    let pairs = shadow.flatMap { Self.pairs(live, $0) }
    let place = place(of: live) { tensor in pairs.map { Self.rule(for: tensor, $0) } ?? Self.rule(for: tensor) }
    if let place { report.outputs[place].tensors += 1 }
    guard let shadow else {
      if let place {
        report.outputs[place].missingInShadow += 1
        note(.structure, 1, "the shadow does not give it", requestID, at: place)
      }
      return .structure
    }
    guard live.datatype == shadow.datatype, live.shape.elementsEqual(shadow.shape) else {
      if let place { noteStructure(live, shadow, requestID, at: place) }
      return .structure
    }
    guard let pairs, let result = pairs.compare(tolerance: tolerance) else {
      if let place {
        report.outputs[place].unreadable += 1
        note(.structure, 1, "contents that are not what shape and datatype say", requestID, at: place)
      }
      return .structure
    }
    guard let place else {
      let isLabels = Self.rule(for: live) == .equality
      return Self.differences(result, hasLabels: isLabels, otherLabels: isLabels ? result.unequal : 0, areElementsLabels: isLabels)
    }
    report.outputs[place].differences.add(result.statistics)
    report.outputs[place].unequalElements += result.unequal
    return judge(live, pairs, result, requestID, at: place)
  }

  private static func differences(
    _ result: (statistics: DifferenceStatistics, unequal: UInt64), hasLabels: Bool, otherLabels: UInt64, areElementsLabels: Bool
  ) -> AnswerDifferences {
    var found: AnswerDifferences = []
    if otherLabels > 0 { found.insert(.label) }
    if !areElementsLabels, result.unequal > 0 { found.insert(.number) }
    if !hasLabels, result.statistics.beyondTolerance > 0 { found.insert(.tolerance) }
    return found
  }

  /// Counts the labels, keeps the example if it is among the worst, and says in what the tensors differ.
  private mutating func judge(
    _ live: Tensor, _ pairs: ElementPairs, _ result: (statistics: DifferenceStatistics, unequal: UInt64),
    _ requestID: String, at place: Int
  ) -> AnswerDifferences {
    var labels: UInt64 = 0
    var mismatched: UInt64 = 0
    switch report.outputs[place].labelRule {
    case .none: break
    case .equality: (labels, mismatched) = (UInt64(pairs.count), result.unequal)
    case .argmax:
      if let length = live.shape.last, length > 0 {
        (labels, mismatched) = pairs.mismatchingArgmax(rowLength: Int(length))
      }
    }
    report.outputs[place].labels += labels
    report.outputs[place].mismatchedLabels += mismatched
    if mismatched > 0 {
      note(
        .label, Double(mismatched) / Double(labels), "\(mismatched) of \(labels) labels differ", requestID, at: place)
    } else if result.statistics.beyondTolerance > 0 {
      let statistics = result.statistics
      note(
        .numeric, statistics.maxAbsolute,
        "\(statistics.beyondTolerance) of \(statistics.elements) elements beyond the tolerance, by up to "
          + "\(statistics.maxAbsolute)", requestID, at: place)
    }
    return Self.differences(
      result, hasLabels: labels > 0, otherLabels: mismatched,
      areElementsLabels: report.outputs[place].labelRule == .equality)
  }

  // MARK: Reading tensors

  /// The contents of two tensors of one form; nil if they are not of one form, or have not the bytes that it asks for.
  private static func pairs(_ live: Tensor, _ shadow: Tensor) -> ElementPairs? {
    guard live.datatype == shadow.datatype, live.shape.elementsEqual(shadow.shape),
      let count = TensorSize.elementCount(of: live.shape)
    else { return nil }
    if let size = live.datatype.byteSize {
      let (bytes, overflow) = count.multipliedReportingOverflow(by: size)
      guard !overflow, live.bytes.count == bytes, shadow.bytes.count == bytes else { return nil }
    }
    return ElementPairs(datatype: live.datatype, live: live.bytes, shadow: shadow.bytes, count: count)
  }

  private static func rule(for tensor: Tensor) -> LabelRule {
    switch tensor.datatype {
    case .fp16, .fp32, .fp64, .bf16: .none
    default: .equality
    }
  }

  private static let scoreWords = ["score", "logit", "prob", "softmax"]

  private static func rule(for tensor: Tensor, _ pairs: ElementPairs) -> LabelRule {
    let simple = rule(for: tensor)
    guard simple == .none, tensor.shape.count == 2, let length = tensor.shape.last, length >= 2 else { return simple }
    let name = String(decoding: tensor.name, as: UTF8.self).lowercased()
    let saysSo = scoreWords.contains { name.contains($0) }
    return saysSo || pairs.liveRowsAreProbabilities(rowLength: Int(length)) ? .argmax : .none
  }

  // MARK: Keeping figures

  /// Where an output's figures are; nil if there are too many outputs.
  private mutating func place(of tensor: Tensor, rule: (Tensor) -> LabelRule) -> Int? {
    let name = String(decoding: tensor.name, as: UTF8.self)
    if let place = places[name] { return place }
    guard report.outputs.count < Self.maxOutputs else {
      report.untrackedOutputs += 1
      return nil
    }
    places[name] = report.outputs.count
    report.outputs.append(MirrorReport.Output(name: name, labelRule: labelRules[name] ?? rule(tensor)))
    return report.outputs.count - 1
  }

  private mutating func noteStructure(_ live: Tensor, _ shadow: Tensor, _ requestID: String, at place: Int) {
    if live.datatype != shadow.datatype {
      report.outputs[place].datatypeDifferences += 1
      note(.structure, 1, "datatype \(live.datatype) against \(shadow.datatype)", requestID, at: place)
    } else {
      report.outputs[place].shapeDifferences += 1
      note(.structure, 1, "shape \(Array(live.shape)) against \(Array(shadow.shape))", requestID, at: place)
    }
  }

  private mutating func note(
    _ kind: MirrorReport.Example.Kind, _ amount: Double, _ text: String, _ requestID: String, at place: Int
  ) {
    let example = MirrorReport.Example(requestID: requestID, kind: kind, amount: amount, text: text)
    let index = report.outputs[place].worst.firstIndex { example.isWorse(than: $0) }
    guard index != nil || report.outputs[place].worst.count < Self.maxExamples else { return }
    report.outputs[place].worst.insert(example, at: index ?? report.outputs[place].worst.count)
    if report.outputs[place].worst.count > Self.maxExamples { report.outputs[place].worst.removeLast() }
  }

  private static func cut(_ requestID: String) -> String {
    requestID.utf8.count <= maxRequestIDBytes
      ? requestID : String(decoding: requestID.utf8.prefix(maxRequestIDBytes), as: UTF8.self)
  }
}
