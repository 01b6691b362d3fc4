/// In what a shadow's answer, or one output of it, is not as the live one.
struct AnswerDifferences: OptionSet {
  let rawValue: UInt8

  /// An output is missing or unreadable, or has another shape or datatype.
  static let structure = Self(rawValue: 1 << 0)
  /// Another label.
  static let label = Self(rawValue: 1 << 1)
  /// A number that is no label is not exactly the same.
  static let number = Self(rawValue: 1 << 2)
  /// A number of an output without labels is beyond the tolerance.
  static let tolerance = Self(rawValue: 1 << 3)

  /// Whether the answers count as different: numbers within the tolerance, or under the same label, do not make them so.
  var isMismatch: Bool { !isDisjoint(with: [.structure, .label, .tolerance]) }
}
