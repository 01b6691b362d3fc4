/// Recorded arrivals that a run or a simulation repeats.
///
/// A text of one line a request: seconds since any start, and optionally, after commas, the model and its priority.
/// Blank lines, lines that begin with `#` and one line of column names are passed over. Arrivals count from the first, and
/// are put in order.
package struct ArrivalTrace: Sendable {
  package struct Arrival: Hashable, Sendable {
    /// Since the first arrival.
    package var nanoseconds: UInt64
    /// Index into `models`; -1: the run's own choice.
    package var model: Int32
    /// As the Open Inference Protocol's `priority`; nil: the run's own.
    package var priority: UInt64?
  }

  private let arrivals: [Arrival]
  /// Names that the trace gives, in the order of their first use.
  package let models: [String]

  package var count: Int { arrivals.count }
  package subscript(index: Int) -> Arrival { arrivals[index] }
  /// From the first arrival to the last, in nanoseconds.
  package var nanoseconds: UInt64 { arrivals.last?.nanoseconds ?? 0 }

  /// Offsets are at most so many seconds: a year.
  package static let mostSeconds = 366.0 * 86_400

  /// - Parameter source: Where the text is from, for errors.
  /// - Throws: `TraceError` with the line that is no arrival.
  package init(_ text: String, from source: String) throws(TraceError) {
    var found: [(seconds: Double, model: Int32, priority: UInt64?)] = []
    var names: [String] = []
    var mayBeHeading = true
    for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      let line = line.trimmingSpaces
      if line.isEmpty || line.first == "#" { continue }
      let columns = line.split(separator: ",", omittingEmptySubsequences: false).map(\.trimmingSpaces)
      guard let seconds = Double(columns[0]) else {
        if mayBeHeading, columns[0].first?.isLetter == true {
          mayBeHeading = false
          continue
        }
        throw TraceError("\(source), line \(index + 1): expected seconds, found '\(columns[0])'")
      }
      mayBeHeading = false
      guard seconds.isFinite, abs(seconds) <= Self.mostSeconds else {
        throw TraceError("\(source), line \(index + 1): \(columns[0]) seconds are out of range")
      }
      guard columns.count <= 3 else {
        throw TraceError("\(source), line \(index + 1): expected seconds,model,priority, found \(columns.count) columns")
      }
      var model: Int32 = -1
      if columns.count > 1, !columns[1].isEmpty {
        let name = String(columns[1])
        model = Int32(names.firstIndex(of: name) ?? names.count)
        if Int(model) == names.count { names.append(name) }
      }
      var priority: UInt64?
      if columns.count > 2, !columns[2].isEmpty {
        guard let number = UInt64(columns[2]) else {
          throw TraceError("\(source), line \(index + 1): expected a priority, found '\(columns[2])'")
        }
        priority = number
      }
      found.append((seconds, model, priority))
    }
    guard let first = found.map(\.seconds).min() else { throw TraceError("\(source) has no arrivals") }
    // Stable, so that arrivals of the same instant stay in their order.
    let order = found.indices.sorted { (found[$0].seconds, $0) < (found[$1].seconds, $1) }
    arrivals = order.map { index in
      let (seconds, model, priority) = found[index]
      return Arrival(nanoseconds: UInt64((seconds - first) * 1e9), model: model, priority: priority)
    }
    models = names
  }
}

/// What is wrong with a text of arrivals: for people.
package struct TraceError: Error, Hashable, Sendable, CustomStringConvertible {
  package let message: String

  package init(_ message: String) { self.message = message }

  package var description: String { message }
}

extension Substring {
  fileprivate var trimmingSpaces: Substring {
    func isSpace(_ character: Character) -> Bool { character == " " || character == "\t" }
    var text = self.drop(while: isSpace)
    while let last = text.last, isSpace(last) { text.removeLast() }
    return text
  }
}
