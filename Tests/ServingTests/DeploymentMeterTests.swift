import Inference
import Pools
import Serving
import Testing
import Threads

@Test func `a time's class ends at most a sixteenth past it`() {
  var time: UInt64 = 1
  while time < 300_000_000_000 {
    for time in [time, time + time / 3, time + time / 2] where time < 270_000_000_000 {
      let index = LatencyBuckets.index(of: time)
      let end = LatencyBuckets.end(of: index)
      #expect(end > time && end <= time + time / 16 + 1024)
      #expect(index == 0 || LatencyBuckets.end(of: index - 1) <= time)
    }
    time *= 2
  }
  #expect(LatencyBuckets.index(of: 0) == 0)
  #expect(LatencyBuckets.index(of: .max) == LatencyBuckets.count - 1)
}

@Test func `percentiles are of what was worked on, and outcomes of everything`() {
  let meter = DeploymentMeter(shards: 4)
  for index in 1...100 {
    meter.record(.succeeded, nanoseconds: UInt64(index) * 1_000_000, shard: index)
  }
  meter.record(.exhausted, nanoseconds: 1)
  meter.record(.invalid, nanoseconds: 1)
  meter.record(.failed, nanoseconds: 100_000_000)
  let snapshot = meter.snapshot()
  #expect(snapshot.requests == 103 && snapshot.timedRequests == 101)
  #expect(snapshot[.succeeded] == 100 && snapshot[.exhausted] == 1 && snapshot.faults == 1)
  for (share, expected) in [(0.5, 51.0), (0.9, 91), (0.99, 100), (1, 100), (0, 1)] {
    let found = Double(snapshot.nanoseconds(atShare: share) ?? 0) / 1_000_000
    #expect(found >= expected * 0.99 && found <= expected * 1.07, "\(share)")
  }
  #expect(meter.snapshot(.mirrored).requests == 0)
  #expect(MeterSnapshot().nanoseconds(atShare: 0.5) == nil)
}

@Test func `the difference of two snapshots is what happened in between`() {
  let meter = DeploymentMeter(shards: 1)
  meter.record(.succeeded, nanoseconds: 9_000_000_000)
  let before = meter.snapshot()
  meter.record(.succeeded, nanoseconds: 1_000_000)
  meter.record(.late, nanoseconds: 2_000_000)
  let between = meter.snapshot() - before
  #expect(between.requests == 2 && between[.late] == 1)
  #expect((between.nanoseconds(atShare: 1) ?? 0) < 3_000_000)
  #expect(between + before == meter.snapshot())
}

@Test func `threads that count together lose nothing`() async throws {
  let meter = DeploymentMeter(shards: 2)
  let threads = try (0..<4).map { shard in
    try OwnThread(name: "meter") {
      for index in 0..<5000 { meter.record(.succeeded, nanoseconds: UInt64(index), shard: shard) }
    }
  }
  await withCheckedContinuation { continuation in
    do {
      try OwnThread(name: "join") {
        for thread in threads { thread.join() }
        continuation.resume()
      }.detach()
    } catch { continuation.resume() }
  }
  #expect(meter.snapshot()[.succeeded] == 20_000)
}

@Test func `the door counts answers and refusals at their deployment`() async throws {
  let meter = DeploymentMeter(shards: 1)
  let served = try Served(version: "blue", policy: DeploymentPolicy(meter: meter))
  let board = ServingBoard()
  board.publish(snapshot([served.deployment], split: ["blue": 100]))
  let door = ServingDoor(board: board, admission: Admission(limit: 10))
  let first = try request()
  let arrival = first.pointer.pointee.arrival
  #expect(door.submit(first.pointer, now: .now()) == .accepted)
  door.endOfTurn()
  first.wait()
  door.finish(first.pointer, now: arrival.advanced(byNanoseconds: 5_000_000))
  _ = try door.submission(of: request(shape: [2, 2]))
  // Its answer comes back, but nobody waits for it any more.
  let late = try request(deadline: arrival.advanced(byNanoseconds: 3_600_000_000_000), arrival: arrival)
  #expect(door.submit(late.pointer, now: .now()) == .accepted)
  door.endOfTurn()
  late.wait()
  door.finish(late.pointer, now: arrival.advanced(byNanoseconds: 3_600_000_000_001))
  let snapshot = meter.snapshot()
  #expect(snapshot[.succeeded] == 1 && snapshot[.invalid] == 1 && snapshot[.late] == 1)
  #expect((5_000_000...5_400_000).contains(snapshot.nanoseconds(atShare: 0.5) ?? 0))
  await served.deployment.pool.drain()
}
