package import Arrivals
package import Batching
internal import Glibc

/// What is simulated: servers that are all alike, and how requests come to them.
package struct FleetPlan: Sendable {
  package var servers = 1
  package var balancing = Balancing.leastOutstanding
  /// Copies of the model in each server.
  package var instances = 1
  /// How long a copy works on a batch.
  package var cost: CostCurve
  /// Standard deviation of that, as a share of it.
  package var variation = 0.0
  /// When requests become a batch, as the server has it.
  package var policy: BatchPolicy
  /// Rows of each request.
  package var rows = 1
  /// How long a caller waits, in nanoseconds; nil: for ever.
  package var patienceNanoseconds: UInt64?
  /// What a request takes beside waiting and running, in nanoseconds: network, reading and writing it.
  package var overheadNanoseconds: UInt64 = 0
  package var seed: UInt64 = 1

  package init(cost: CostCurve, policy: BatchPolicy) {
    self.cost = cost
    self.policy = policy
  }

  /// Requests a second that the instances of all servers work off with the best batches.
  package var capacity: Double {
    cost.bestRate(maxRows: policy.joinsRequests ? policy.maxBatchRows : rows).rowsPerSecond / Double(rows)
      * Double(servers * instances)
  }
}

/// A fleet on virtual time. The queues are the server's own code; its instances take as long as a cost curve says.
///
/// ```
/// arrivals ─▶ balancer ─▶ server 0: BatchQueue ─▶ instances ─▶ outcomes
///                    └──▶ server 1: …                (events by time, in one heap)
/// ```
///
/// The same plan and arrivals have the same outcome, to the last request.
package struct FleetSimulation {
  private let plan: FleetPlan
  private var servers: [SimulatedServer]
  private var balancer: Balancer
  private var random: SeededRandom
  private var events = EventHeap()
  private var runs: [(server: Int32, run: SimulatedServer.Run)] = []
  private var freeRuns: [Int32] = []
  private var arrived: [UInt64] = []
  private var result: SimulationResult

  package init(_ plan: FleetPlan) {
    precondition(
      plan.servers >= 1 && plan.instances >= 1 && plan.rows >= 1 && plan.rows <= plan.policy.maxBatchRows,
      "A fleet of \(plan.servers) servers with \(plan.instances) instances for \(plan.rows) rows. This is a bug.")
    self.plan = plan
    servers = Array(repeating: SimulatedServer(policy: plan.policy, instances: plan.instances), count: plan.servers)
    balancer = Balancer(plan.balancing, servers: plan.servers)
    random = SeededRandom(seed: plan.seed)
    result = SimulationResult(instances: plan.servers * plan.instances)
  }

  /// Runs so many arrivals, and everything that comes of them.
  package static func run(_ plan: FleetPlan, _ arrivals: ArrivalSchedule, count: Int) -> SimulationResult {
    var simulation = FleetSimulation(plan)
    return simulation.run(arrivals, count: count)
  }

  private mutating func run(_ arrivals: ArrivalSchedule, count: Int) -> SimulationResult {
    var arrivals = arrivals
    arrived.reserveCapacity(count)
    while arrived.count < count, arrivals.due < .max {
      let due = arrivals.due
      advance(to: due)
      arrive(at: due)
      arrivals.advance()
    }
    advance(to: .max)
    result.settle()
    return result
  }

  /// Lets everything happen that is due before an instant.
  private mutating func advance(to end: UInt64) {
    while let event = events.first, event.instant < end {
      events.removeFirst()
      result.nanoseconds = max(result.nanoseconds, event.instant)
      switch event.kind {
      case .look(let server):
        if servers[Int(server)].lookAgain <= event.instant { look(at: Int(server), event.instant) }
      case .finish(let run): finish(run, at: event.instant)
      }
    }
  }

  private mutating func arrive(at now: UInt64) {
    let request = UInt32(arrived.count)
    arrived.append(now)
    result.nanoseconds = max(result.nanoseconds, now)
    let server = balancer.choose(&random)
    balancer.note(1, at: server)
    let deadline = plan.patienceNanoseconds.map { now &+ $0 } ?? .max
    if servers[server].take(request, rows: plan.rows, at: now, deadline: deadline) != nil {
      result.refused += 1
      balancer.note(-1, at: server)
    }
    result.mostWaiting = max(result.mostWaiting, servers[server].waiting)
    look(at: server, now)
  }

  private mutating func look(at server: Int, _ now: UInt64) {
    while true {
      var lost = 0
      let look = servers[server].look(at: now) { _ in lost += 1 }
      if lost > 0 {
        result.late += lost
        balancer.note(-lost, at: server)
      }
      guard case .run(let run) = look else { break }
      begin(run, at: server, now)
    }
    let again = servers[server].lookAgain
    if again < .max { events.insert(Event(instant: max(again, now), kind: .look(Int32(server)))) }
  }

  private mutating func begin(_ run: SimulatedServer.Run, at server: Int, _ now: UInt64) {
    var nanoseconds = plan.cost.nanoseconds(rows: run.rows)
    // Log-normal, with the curve as its mean: runs take longer than usual more easily than shorter.
    if plan.variation > 0 { nanoseconds *= exp(plan.variation * random.normal() - plan.variation * plan.variation / 2) }
    result.batches += 1
    result.rows += run.rows
    result.busyNanoseconds += nanoseconds
    let index: Int32
    if let free = freeRuns.popLast() {
      index = free
      runs[Int(free)] = (Int32(server), run)
    } else {
      index = Int32(runs.count)
      runs.append((Int32(server), run))
    }
    events.insert(Event(instant: now &+ UInt64(nanoseconds), kind: .finish(index)))
  }

  private mutating func finish(_ index: Int32, at now: UInt64) {
    let (server, run) = runs[Int(index)]
    runs[Int(index)].run.requests = []
    freeRuns.append(index)
    for request in run.requests {
      let latency = now - arrived[Int(request)] &+ plan.overheadNanoseconds
      if latency > plan.patienceNanoseconds ?? .max { result.late += 1 } else { result.latencies.append(latency) }
    }
    balancer.note(-run.requests.count, at: Int(server))
    servers[Int(server)].finishRun()
    look(at: Int(server), now)
  }
}

/// Something that happens at an instant.
private struct Event {
  enum Kind {
    case look(Int32)
    case finish(Int32)
  }
  var instant: UInt64
  var kind: Kind
  /// Events of one instant happen in the order in which they were foreseen.
  var order: UInt64 = 0
}

/// Events, the next one first: a binary heap.
private struct EventHeap {
  private var heap: [Event] = []
  private var inserted: UInt64 = 0

  var first: Event? { heap.first }

  mutating func insert(_ event: Event) {
    var event = event
    event.order = inserted
    inserted += 1
    heap.append(event)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard isBefore(child, parent) else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func removeFirst() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in (2 * parent + 1)...(2 * parent + 2) where child < heap.count && isBefore(child, least) { least = child }
      guard least != parent else { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }

  private func isBefore(_ left: Int, _ right: Int) -> Bool {
    (heap[left].instant, heap[left].order) < (heap[right].instant, heap[right].order)
  }
}
