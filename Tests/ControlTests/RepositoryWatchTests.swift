import Control
import Inference
import Serving
import Synchronization
import Testing

private func stamp(_ inode: UInt64) -> FileStamp {
  FileStamp(inode: inode, byteCount: 1, modifiedSeconds: 1, modifiedNanoseconds: 1)
}

@Test func `what is new or changed is loaded, what is gone is unloaded, and the rest is left alone`() {
  let earlier = RepositoryImage(models: ["same": ["f": stamp(1)], "changed": ["f": stamp(2)], "gone": [:], "void": [:]])
  let later = RepositoryImage(
    models: ["same": ["f": stamp(1)], "changed": ["f": stamp(3)], "new": ["f": stamp(4)], "void": [:]])
  #expect(later.changes(from: earlier) == .init(load: ["changed", "new"], unload: ["gone"]))
  #expect(later.changes(from: later) == .init(load: [], unload: []))
}

@Test func `a poll follows the repository`() async throws {
  let world = World { $0.pollInterval = .seconds(15) }
  world.repository.writeModel("a", add: 1)
  world.repository.writeModel("b", add: 1)
  #expect(try await world.lifecycle.start().isEmpty)
  let untouched = world.board.read().snapshot.deployments.first { $0.name == "b" }
  world.repository.writeModel("a", version: 2, add: 2)
  world.repository.writeModel("c", add: 3)
  try await world.lifecycle.poll()
  #expect(try world.answer("a") == 2)
  #expect(try world.answer("c") == 3)
  #expect(world.board.read().snapshot.deployments.first { $0.name == "b" } === untouched)
  world.repository.remove("a")
  try await world.lifecycle.poll()
  #expect(throws: InferenceError.self) { try world.answer("a") }
  #expect(world.lifecycle.isServerReady)
  await world.lifecycle.drainAll()
}

@Test func `polls go on after one that failed, until they are cancelled`() async throws {
  let world = World { $0.pollInterval = .seconds(15) }
  world.repository.writeModel("a", add: 1)
  #expect(try await world.lifecycle.start().isEmpty)
  let turns = Mutex(0)
  await world.lifecycle.pollRepeatedly { interval in
    #expect(interval == .seconds(15))
    let turn = turns.withLock {
      $0 += 1
      return $0
    }
    switch turn {
    case 1: world.repository.remove("")  // The repository itself is gone: nobody can say what is in it.
    case 2: world.repository.restore()
    case 3: throw CancellationError()
    default: break
    }
  }
  #expect(turns.withLock { $0 } == 3)
  #expect(try world.lifecycle.index(readyOnly: true).isEmpty)
  await world.lifecycle.drainAll()
}
