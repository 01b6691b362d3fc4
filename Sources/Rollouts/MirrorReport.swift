/// How far the shadow's answers differ from the live ones, so far.
package struct MirrorReport: Hashable, Sendable, Codable {
  /// Requests whose two answers were compared.
  package var comparedRequests: UInt64 = 0
  /// Of those, the ones of which any output differed in its labels, or, where it has none, beyond the tolerance; or in
  /// its shape or datatype, or was missing.
  package var mismatchedRequests: UInt64 = 0
  /// Of the compared ones, those with any output that has another label.
  package var requestsWithOtherLabels: UInt64 = 0
  /// Of the compared ones, those with any number, labels aside, that is not exactly the same.
  package var requestsWithOtherNumbers: UInt64 = 0
  /// Of the compared ones, those with an output that is missing or unreadable, or has another shape or datatype.
  package var requestsWithOtherStructure: UInt64 = 0
  /// Copies that the shadow did not answer, where the live deployment did. Not compared.
  package var shadowFailures: UInt64 = 0
  /// In the order in which they were first seen.
  package var outputs: [Output] = []
  /// Outputs past `OutputComparison.maxOutputs` names: they count for their request, but have no figures of their own.
  package var untrackedOutputs: UInt64 = 0

  package init() {}

  package struct Output: Hashable, Sendable, Codable {
    package var name: String
    /// Pairs of tensors, those that could not be compared included.
    package var tensors: UInt64 = 0
    package var missingInShadow: UInt64 = 0
    package var missingInLive: UInt64 = 0
    package var datatypeDifferences: UInt64 = 0
    package var shapeDifferences: UInt64 = 0
    /// Contents that are not what their shape and datatype say.
    package var unreadable: UInt64 = 0
    package var differences = DifferenceStatistics()
    /// Elements that are not exactly the same; two NaNs are.
    package var unequalElements: UInt64 = 0
    package var labelRule: LabelRule
    /// Rows or elements whose labels were compared, and those that differ.
    package var labels: UInt64 = 0
    package var mismatchedLabels: UInt64 = 0
    /// The worst first; at most `OutputComparison.maxExamples`.
    package var worst: [Example] = []

    package var labelMismatch: Double { labels == 0 ? 0 : Double(mismatchedLabels) / Double(labels) }

    init(name: String, labelRule: LabelRule) {
      self.name = name
      self.labelRule = labelRule
    }
  }

  /// One request whose answers differ. It holds no contents.
  package struct Example: Hashable, Sendable, Codable {
    package enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
      case numeric, label, structure
    }

    package var requestID: String
    package var kind: Kind
    /// Greatest difference, or share of labels that differ; 1 for structure.
    package var amount: Double
    /// Such as `shape [1, 10] against [1, 12]`.
    package var text: String

    func isWorse(than other: Example) -> Bool {
      let order = Kind.allCases
      let here = order.firstIndex(of: kind)!
      let there = order.firstIndex(of: other.kind)!
      return here != there ? here > there : amount > other.amount
    }
  }
}

/// What counts as the label of an output.
package enum LabelRule: String, Hashable, Sendable, Codable {
  /// Index of the greatest element along the last axis.
  case argmax
  /// Each element is a label.
  case equality
  /// It has none: only the numeric difference counts.
  case none
}
