import Control
import Testing

private typealias Queue = OperationQueue<Int>

extension OperationQueue<Int> {
  fileprivate mutating func start() -> Int? { next()?.work }
}

@Test func `operations of one model run in turn, and those of others meanwhile`() {
  var queue = Queue(maxParallelLoads: 4)
  queue.enqueue(.init(model: "a", kind: .load, work: 1))
  queue.enqueue(.init(model: "a", kind: .unload, work: 2))
  queue.enqueue(.init(model: "b", kind: .load, work: 3))
  #expect(queue.start() == 1)
  #expect(queue.start() == 3)
  #expect(queue.start() == nil)
  queue.finish("a")
  #expect(queue.start() == 2)
  queue.finish("a")
  queue.finish("b")
  #expect(queue.isIdle)
}

@Test func `no more loads run than the limit, and an unload passes them`() {
  var queue = Queue(maxParallelLoads: 2)
  for (index, model) in ["a", "b", "c"].enumerated() { queue.enqueue(.init(model: model, kind: .load, work: index)) }
  queue.enqueue(.init(model: "d", kind: .unload, work: 9))
  #expect(queue.start() == 0)
  #expect(queue.start() == 1)
  #expect(queue.start() == 9)
  #expect(queue.start() == nil)
  queue.finish("b")
  #expect(queue.start() == 2)
}

@Test func `an unload does not pass a load of its own model that waits`() {
  var queue = Queue(maxParallelLoads: 1)
  queue.enqueue(.init(model: "a", kind: .load, work: 1))
  queue.enqueue(.init(model: "b", kind: .load, work: 2))
  queue.enqueue(.init(model: "b", kind: .unload, work: 3))
  #expect(queue.start() == 1)
  #expect(queue.start() == nil)
  queue.finish("a")
  #expect(queue.start() == 2)
  #expect(queue.start() == nil)
  queue.finish("b")
  #expect(queue.start() == 3)
}
