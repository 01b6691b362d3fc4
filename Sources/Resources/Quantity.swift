/// An amount as Kubernetes writes it: `0.5`, `500m`, `2Gi`.
package struct Quantity: Hashable, Sendable {
  /// As it was written.
  package let text: String
  /// In thousandths of the unit: of a core, of a byte, of a GPU.
  package let thousandths: Int

  /// Most thousandths: as bytes some 900 Ti, which no machine has.
  private static let maxThousandths = 1_000_000_000_000_000_000

  private static let factors: [String: Double] = [
    "": 1, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "Ki": 1024, "Mi": 1_048_576,
    "Gi": 1_073_741_824,
    "Ti": 1_099_511_627_776, "Pi": 1_125_899_906_842_624,
  ]

  /// `nil` if it is none, is negative or is larger than any machine.
  package init?(_ text: String) {
    guard text.utf8.count <= 32 else { return nil }
    let number = text.prefix { $0.isASCII && $0.isNumber || $0 == "." }
    guard let factor = Self.factors[String(text[number.endIndex...])], number.first != ".", let value = Double(number)
    else { return nil }
    let thousandths = (value * factor * 1000).rounded(.up)
    guard thousandths <= Double(Self.maxThousandths) else { return nil }
    self.text = text
    self.thousandths = Int(thousandths)
  }

  /// Whole cores, bytes or GPUs, rounded up.
  package var roundedUp: Int { thousandths / 1000 + (thousandths % 1000 > 0 ? 1 : 0) }

  // Two spellings of one amount are one amount.
  package static func == (left: Quantity, right: Quantity) -> Bool { left.thousandths == right.thousandths }
  package func hash(into hasher: inout Hasher) { hasher.combine(thousandths) }
}
