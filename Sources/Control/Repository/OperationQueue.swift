/// Loads and unloads that wait for their turn: one at a time for each model, and only so many loads at once.
///
/// A value without I/O: `enqueue` and `finish` change it, `next` hands out what may run now. Operations of one model
/// run in the order in which they came; an unload does not count against the limit, since it waits for nothing.
package struct OperationQueue<Work: Sendable>: Sendable {
  package enum Kind: Hashable, Sendable { case load, unload }

  package struct Operation: Sendable {
    package var model: String
    package var kind: Kind
    package var work: Work

    package init(model: String, kind: Kind, work: Work) {
      self.model = model
      self.kind = kind
      self.work = work
    }
  }

  package let maxParallelLoads: Int
  private var waiting: [Operation] = []
  private var running: [String: Kind] = [:]

  package init(maxParallelLoads: Int) { self.maxParallelLoads = max(1, maxParallelLoads) }

  package var waitingCount: Int { waiting.count }
  package var isIdle: Bool { waiting.isEmpty && running.isEmpty }

  package mutating func enqueue(_ operation: Operation) { waiting.append(operation) }

  /// The oldest operation that may run now; it runs until `finish`.
  package mutating func next() -> Operation? {
    let loads = running.values.count { $0 == .load }
    var passed: Set<String> = []
    for (index, operation) in waiting.enumerated() {
      let isFree = running[operation.model] == nil && !passed.contains(operation.model)
      if isFree && (operation.kind == .unload || loads < maxParallelLoads) {
        running[operation.model] = operation.kind
        return waiting.remove(at: index)
      }
      passed.insert(operation.model)
    }
    return nil
  }

  package mutating func finish(_ model: String) { running[model] = nil }
}
