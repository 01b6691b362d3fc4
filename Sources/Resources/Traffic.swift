internal import Documents

/// Percents per deployment, as the command line writes them: `blue=90 green=10`.
package enum Traffic {
  /// Most deployments that can be named.
  package static let maxDeployments = 100

  /// Reads the short form.
  ///
  /// - Parameter option: What it was given as, for messages: `--traffic`.
  /// - Throws: `ResourceError` if a pair can't be read. Whether the percents make sense, `fault` says.
  package static func percents(parsing text: String, of option: String) throws(ResourceError) -> [String: Int] {
    var percents: [String: Int] = [:]
    for pair in text.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "\n" }) {
      let halves = pair.split(separator: "=", omittingEmptySubsequences: false)
      guard halves.count == 2, let percent = Int(halves[1]), !halves[0].isEmpty else {
        throw ResourceError([
          Finding(.error, at: option, "expected deployment=percent as in \"blue=90 green=10\", got \(shown(pair))")
        ])
      }
      guard percents.updateValue(percent, forKey: String(halves[0])) == nil else {
        throw ResourceError([Finding(.error, at: option, "the deployment \(shown(halves[0])) is given twice")])
      }
    }
    var faults = percents.keys.sorted().compactMap { name in
      ResourceName.fault(in: name).map { Finding(.error, at: option, $0) }
    }
    if let fault = fault(inCount: percents.count) { faults = [Finding(.error, at: option, fault)] }
    guard faults.isEmpty else { throw ResourceError(faults) }
    return percents
  }

  private static func shown(_ text: Substring) -> String { Document.string(String(text)).quoted }

  internal static func fault(inCount count: Int) -> String? {
    count <= maxDeployments ? nil : "expected at most \(maxDeployments) deployments, got \(count)"
  }

  /// What is wrong with a split; `nil` if nothing is.
  package static func fault(in percents: [String: Int]) -> String? {
    for (name, percent) in percents.sorted(by: { $0.key < $1.key }) where !(0...100).contains(percent) {
      return "expected percents of 0 to 100, got \(percent) for '\(name)'"
    }
    let sum = percents.values.reduce(0, +)
    return sum == 0 || sum == 100 ? nil : "expected percents that sum to 0 or 100, they sum to \(sum)"
  }

  /// What is wrong with a mirror beside a split; `nil` if nothing is.
  package static func fault(inMirror mirror: [String: Int], beside traffic: [String: Int]) -> String? {
    guard let (name, percent) = mirror.first else { return nil }
    guard mirror.count == 1 else {
      let names = mirror.keys.sorted().map { "'\($0)'" }.joined(separator: ", ")
      return "expected one deployment, got \(mirror.count): \(names)"
    }
    guard (0...MirrorTraffic.maxPercent).contains(percent) else {
      return "expected a percent of 0 to \(MirrorTraffic.maxPercent), got \(percent) for '\(name)'"
    }
    if percent > 0, let share = traffic[name], share > 0 {
      return "'\(name)' takes \(share) % of the live traffic: expected a deployment that takes none"
    }
    return nil
  }
}

extension FieldReader {
  /// A map of percents, or its short form. `nil`: something is wrong with it, or it isn't there.
  internal func percents(_ key: String) -> [String: Int]? {
    guard let value = value(key) else { return nil }
    if let text = value.string {
      do throws(ResourceError) { return try Traffic.percents(parsing: text, of: key) } catch {
        for finding in error.errors { fault(key, finding.message) }
        return nil
      }
    }
    if let fault = Traffic.fault(inCount: value.object?.count ?? 0) {
      self.fault(key, fault)
      return nil
    }
    var percents: [String: Int] = [:]
    var isSound = value.object != nil
    for (name, value, place) in entries(key) {
      if let fault = ResourceName.fault(in: name) {
        context.note(.error, at: place, fault)
        isSound = false
      }
      if let percent = value.int {
        percents[name] = percent
      } else {
        context.note(.error, at: place, "expected a whole percent, got \(value.quoted)")
        isSound = false
      }
    }
    return isSound ? percents : nil
  }
}
