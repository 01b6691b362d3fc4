/// The steps of a rollout as people give them: `25 50 100`, `25,50,100`, or both at once.
package enum RolloutSteps {
  /// - Throws: `UsageError` that says which step is wrong.
  package static func parse(_ arguments: [String]) throws(UsageError) -> [Int] {
    var steps: [Int] = []
    for text in arguments.flatMap({ $0.split(separator: ",", omittingEmptySubsequences: false) }) {
      guard let step = Int(text), (1...100).contains(step) else {
        throw UsageError("--steps has '\(text)'; expected whole percentages from 1 to 100, such as 25,50,100")
      }
      if let last = steps.last, step <= last {
        throw UsageError("--steps has \(step) after \(last); expected ascending percentages, such as 25,50,100")
      }
      steps.append(step)
    }
    return steps
  }
}
