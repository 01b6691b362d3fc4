import EventLoops
import Glibc
import Inference
import Testing
import Threads

/// An event loop on a thread of its own, stopped and joined at the end.
private final class RunningLoop {
  let loop: EventLoop
  private let thread: OwnThread

  init() throws {
    let loop = try EventLoop(index: 0)
    self.loop = loop
    thread = try OwnThread(name: "test") { loop.run() }
  }

  /// Runs `body` on the loop's thread and waits for it.
  func sync(_ body: @escaping @Sendable (EventLoop) -> Void) {
    let latch = Latch(count: 1)
    loop.execute { [loop] in
      body(loop)
      latch.countDown()
    }
    latch.wait()
  }

  deinit {
    loop.stop()
    thread.join()
  }
}

/// Both ends of a pipe.
private struct Pipe {
  let readEnd: Int32
  let writeEnd: Int32

  init() {
    var ends: [Int32] = [0, 0]
    precondition(pipe(&ends) == 0)
    (readEnd, writeEnd) = (ends[0], ends[1])
  }

  func put(_ byte: UInt8) {
    var byte = byte
    precondition(write(writeEnd, &byte, 1) == 1)
  }

  func close() {
    Glibc.close(readEnd)
    Glibc.close(writeEnd)
  }
}

/// Notes on the loop's thread what it saw, read after the loop's thread was waited for.
private final class Watcher: EventSource, @unchecked Sendable {
  var seen: [Readiness] = []
  var onEvent: (Readiness) -> Void = { _ in }
  func handle(_ events: Readiness) {
    seen.append(events)
    onEvent(events)
  }
}

/// A box for what only the loop's thread touches until it was waited for.
private final class Box<Value>: @unchecked Sendable {
  var value: Value
  init(_ value: Value) { self.value = value }
}

@Test func `jobs from another thread run in the order of their calls`() throws {
  let running = try RunningLoop()
  let order = Box<[Int]>([])
  for number in 0..<1000 { running.loop.execute { order.value.append(number) } }
  running.sync { _ in }
  #expect(order.value == Array(0..<1000))
}

@Test func `jobs from many threads are all run`() throws {
  let running = try RunningLoop()
  let count = Box(0)
  let threads = try (0..<4).map { _ in
    try OwnThread(name: "test") { [loop = running.loop] in for _ in 0..<500 { loop.execute { count.value += 1 } } }
  }
  for thread in threads { thread.join() }
  running.sync { _ in }
  #expect(count.value == 2000)
}

@Test func `a job may add a job, which runs too`() throws {
  let running = try RunningLoop()
  let latch = Latch(count: 1)
  running.loop.execute { [loop = running.loop] in loop.execute { latch.countDown() } }
  latch.wait()
}

@Test func `jobs from before the loop runs are run`() throws {
  let loop = try EventLoop(index: 0)
  let hasRun = Box(false)
  loop.execute { hasRun.value = true }
  loop.stop()
  loop.run()
  #expect(hasRun.value)
}

/// A job that stays holds its loop, which holds the job.
@Test func `a loop that has ended keeps no jobs, neither waiting ones nor new ones`() throws {
  weak var late: EventLoop?
  weak var waiting: EventLoop?
  do {
    let loop = try EventLoop(index: 0)
    late = loop
    loop.stop()
    loop.run()
    loop.execute { [loop] in _ = loop.index }
  }
  #expect(late == nil)
  do {
    let loop = try EventLoop(index: 0)
    waiting = loop
    loop.atEndOfTurn { [loop] in loop.execute { [loop] in _ = loop.index } }
    loop.stop()
    loop.run()
  }
  #expect(waiting == nil)
}

@Test func `end-of-turn work runs in the order of adding, after the turn's jobs`() throws {
  let running = try RunningLoop()
  let order = Box<[String]>([])
  let latch = Latch(count: 1)
  running.loop.execute { [loop = running.loop] in
    // Later turns do it too, while the test looks.
    loop.atEndOfTurn { if order.value.count < 3 { order.value.append("first") } }
    loop.atEndOfTurn {
      if order.value.count < 3 { order.value.append("second") }
      latch.countDown()
    }
    order.value.append("job")
  }
  latch.wait()
  running.sync { _ in }
  #expect(order.value == ["job", "first", "second"])
}

/// Work at the end of a turn that leaves something for the work before it: without another turn nothing would wake the
/// loop, and the test would never end.
@Test func `end-of-turn work can ask for another turn at once`() throws {
  let running = try RunningLoop()
  let latch = Latch(count: 1)
  running.loop.execute { [loop = running.loop] in
    let left = Box(false)
    let isFirst = Box(true)
    loop.atEndOfTurn {
      if left.value { latch.countDown() }
      left.value = false
    }
    loop.atEndOfTurn {
      guard isFirst.value else { return }
      isFirst.value = false
      left.value = true
      loop.turnAgain()
    }
  }
  latch.wait()
}

/// A timer of the loop that counts how often it fired, and arms itself again until the latch is open.
private final class Repeating: @unchecked Sendable {  // the loop's thread's alone
  let node = UnsafeMutablePointer<TimerNode>.allocate(capacity: 1)
  let loop: EventLoop
  let latch: Latch
  var left: Int
  var lastFired = Instant(nanoseconds: 0)
  var wasEarly = false

  init(_ loop: EventLoop, times: Int, latch: Latch) {
    self.loop = loop
    self.latch = latch
    left = times
    node.initialize(to: TimerNode(context: Unmanaged.passUnretained(self).toOpaque(), fire: repeatingFired))
  }

  deinit { node.deallocate() }

  func arm() {
    lastFired = loop.now
    loop.timers.arm(node, at: loop.now.advanced(byNanoseconds: 1_000_000))
  }

  func fired() {
    if loop.now.nanoseconds(since: lastFired) < 1_000_000 { wasEarly = true }
    left -= 1
    if left == 0 { latch.countDown() } else { arm() }
  }
}

private func repeatingFired(_ context: UnsafeMutableRawPointer) {
  Unmanaged<Repeating>.fromOpaque(context).takeUnretainedValue().fired()
}

@Test func `a timer of the loop may arm itself again while it fires`() throws {
  let running = try RunningLoop()
  let latch = Latch(count: 1)
  let repeating = Repeating(running.loop, times: 5, latch: latch)
  running.sync { _ in repeating.arm() }
  latch.wait()
  running.sync { _ in }
  #expect(!repeating.wasEarly)
}

@Test func `a descriptor is reported until it is deregistered, and a reused slot gets its own events`() throws {
  let running = try RunningLoop()
  let (first, second) = (Pipe(), Pipe())
  defer {
    first.close()
    second.close()
  }
  let (old, new) = (Watcher(), Watcher())
  let (sawOld, sawNew) = (Latch(count: 1), Latch(count: 1))
  let registration = Box<EventLoop.Registration?>(nil)
  old.onEvent = { _ in
    // Level-triggered: it would be reported again and again.
    running.loop.deregister(registration.value!)
    sawOld.countDown()
  }
  running.sync { loop in registration.value = try? loop.register(first.readEnd, for: .readable, old) }
  first.put(1)
  sawOld.wait()
  new.onEvent = { _ in
    running.loop.deregister(registration.value!)
    sawNew.countDown()
  }
  let stale = Box(registration.value)
  running.sync { loop in
    registration.value = try? loop.register(second.readEnd, for: .readable, new)
    // The old name of the slot no longer means anything.
    loop.deregister(stale.value!)
    loop.setInterest(.writable, of: stale.value!)
  }
  #expect(registration.value != stale.value)
  second.put(1)
  sawNew.wait()
  running.sync { _ in }
  #expect(old.seen == [.readable])
  #expect(new.seen == [.readable])
}

/// Both pipes are readable before the loop looks; whoever is first takes the other out and puts a third in its slot.
@Test func `events of a descriptor deregistered in the same turn are dropped`() throws {
  let running = try RunningLoop()
  let pipes = [Pipe(), Pipe(), Pipe()]
  defer { for pipe in pipes { pipe.close() } }
  let watchers = [Watcher(), Watcher(), Watcher()]
  let registrations = Box<[EventLoop.Registration]>([])
  for (index, other) in [(0, 1), (1, 0)] {
    watchers[index].onEvent = { _ in
      for registration in registrations.value { running.loop.deregister(registration) }
      registrations.value = []
      if let third = try? running.loop.register(pipes[2].readEnd, for: .readable, watchers[2]) {
        registrations.value.append(third)
      }
      #expect(watchers[other].seen.isEmpty)
    }
  }
  pipes[0].put(1)
  pipes[1].put(1)
  running.sync { loop in
    for index in 0..<2 {
      if let one = try? loop.register(pipes[index].readEnd, for: .readable, watchers[index]) { registrations.value.append(one) }
    }
  }
  running.sync { _ in }
  running.sync { _ in }
  #expect(watchers[0].seen.count + watchers[1].seen.count == 1)
  #expect(watchers[2].seen == [])
}

@Test func `a descriptor that can't be watched is refused with its number`() throws {
  let loop = try EventLoop(index: 0)
  do throws(SystemError) {
    _ = try loop.register(-1, for: .readable, Watcher())
    Issue.record("descriptor -1 was taken")
  } catch {
    #expect(error.number == EBADF)
    #expect(error.description.contains("add descriptor -1"))
  }
}

@Test func `a latch opens when it was counted down as often as it says`() throws {
  let latch = Latch(count: 3)
  let opened = Latch(count: 1)
  let count = Box(0)
  let waiter = try OwnThread(name: "test") {
    latch.wait()
    #expect(count.value == 3)
    opened.countDown()
  }
  for _ in 0..<3 {
    count.value += 1
    latch.countDown()
  }
  opened.wait()
  waiter.join()
  Latch(count: 0).wait()
}
