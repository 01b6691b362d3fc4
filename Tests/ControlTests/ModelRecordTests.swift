import Control
import Testing

private let first = DeploymentID(number: 1)
private let second = DeploymentID(number: 2)

private func ready(_ serving: [Int64: DeploymentID]) -> ModelRecord {
  var record = ModelRecord()
  record.beginLoad(Array(serving.keys))
  _ = record.finishLoad(serving)
  return record
}

@Test func `a load goes from LOADING to READY`() {
  var record = ModelRecord()
  record.beginLoad([2, 1])
  #expect(record.versions[1]?.state == .loading && record.versions[2]?.state == .loading)
  #expect(!record.isSettled)
  #expect(record.finishLoad([1: first, 2: second]).isEmpty)
  #expect(record.versions[1] == .init(state: .ready, deployment: first))
  #expect(record.isSettled)
}

@Test func `a reload serves on until it is done, and retires what it replaces`() {
  var record = ready([1: first])
  record.beginLoad([1])
  #expect(record.versions[1] == .init(state: .ready, deployment: first))
  #expect(record.finishLoad([1: second]) == [first])
  #expect(record.versions[1] == .init(state: .ready, deployment: second))
  // The old one's end is nobody's business: the version is served.
  record.drained(first)
  #expect(record.versions[1] == .init(state: .ready, deployment: second))
}

@Test func `a version that a reload leaves out is unloaded`() {
  var record = ready([1: first])
  record.beginLoad([2])
  #expect(record.finishLoad([2: second]) == [first])
  #expect(record.versions[1] == .init(state: .unloading, draining: first))
  #expect(record.isSettled)
  record.drained(first)
  #expect(record.versions[1] == .init(state: .unavailable, reason: "unloaded"))
  #expect(record.isSettled)
}

@Test func `a failed reload leaves what serves as it is`() {
  var record = ready([1: first])
  record.beginLoad([1, 2])
  record.failLoad("version 2: bad", reasons: [2: "bad"])
  #expect(record.versions[1] == .init(state: .ready, deployment: first))
  #expect(record.versions[2] == .init(state: .unavailable, reason: "bad"))
  #expect(record.failure == "version 2: bad")
}

@Test func `a failed first load leaves nothing ready, and says which version was to blame`() {
  var record = ModelRecord()
  record.beginLoad([1, 2])
  record.failLoad("version 2: bad", reasons: [2: "bad"])
  #expect(record.versions[1]?.state == .unavailable && record.versions[1]?.reason.contains("another version") == true)
  #expect(record.versions[2]?.reason == "bad")
  #expect(!record.isSettled)
  record.beginLoad([1, 2])
  _ = record.finishLoad([1: first, 2: second])
  #expect(record.isSettled && record.failure == nil)
}

@Test func `an unloaded model does not count against readiness`() {
  var record = ready([1: first])
  #expect(record.unload() == [first])
  #expect(record.versions[1] == .init(state: .unloading, draining: first))
  #expect(record.isSettled)
  #expect(record.unload().isEmpty)
  record.drained(first)
  #expect(record.versions[1] == .init(state: .unavailable, reason: "unloaded"))
  #expect(record.isSettled)
}

@Test func `a model loaded again while its last requests run is not unloaded by their end`() {
  var record = ready([1: first])
  _ = record.unload()
  record.beginLoad([1])
  #expect(record.versions[1]?.state == .loading)
  record.drained(first)
  #expect(record.versions[1]?.state == .loading)
  _ = record.finishLoad([1: second])
  record.drained(first)
  #expect(record.versions[1] == .init(state: .ready, deployment: second))
}

@Test func `a model of which nothing could be read is not settled`() {
  var record = ModelRecord()
  record.failLoad("no such file")
  #expect(!record.isSettled && record.versions.isEmpty)
  _ = record.unload()
  #expect(record.isSettled)
}

/// Every sequence of six events: a version is ready exactly if it has a deployment, unloading exactly if one drains,
/// and no deployment is retired twice or lost.
@Test func `no order of events loses a deployment or retires one twice`() {
  for sequence in 0..<(4 * 4 * 4 * 4 * 4 * 4) {
    var record = ModelRecord()
    var made = 0
    var retired: [DeploymentID] = []
    var rest = sequence
    for _ in 0..<6 {
      switch rest % 4 {
      case 0:
        record.beginLoad([1, 2])
        made += 2
        retired += record.finishLoad([1: DeploymentID(number: made - 1), 2: DeploymentID(number: made)])
      case 1:
        record.beginLoad([2, 3])
        record.failLoad("no", reasons: [3: "no"])
      case 2: retired += record.unload()
      default: if let oldest = retired.first { record.drained(oldest) }
      }
      rest /= 4
      for version in record.versions.values {
        #expect((version.state == .ready) == (version.deployment != nil))
        #expect((version.state == .unloading) == (version.draining != nil))
      }
    }
    let serving = record.versions.values.compactMap(\.deployment)
    #expect(Set(retired).count == retired.count)
    #expect(Set(retired + serving).count == made && retired.count + serving.count == made)
  }
}
