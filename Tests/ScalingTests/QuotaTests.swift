import Inference
import Scaling
import Testing

private let gibibyte = 1 << 30
private let machine = ComputeResources(milliCores: 16_000, memoryBytes: 64 * gibibyte, gpus: 2)
private let small = ComputeCatalogue.InstanceType(
  name: "small", resources: ComputeResources(milliCores: 2000, memoryBytes: 4 * gibibyte))
private let gpu = ComputeCatalogue.InstanceType(
  name: "gpu", resources: ComputeResources(milliCores: 4000, memoryBytes: 16 * gibibyte, gpus: 1))

@Test func `a refusal says what is asked, what is free and who holds the rest`() throws {
  var quota = Quota(machine: machine)
  try quota.reserve(5, of: small, for: "churn/blue")
  try quota.reserve(1, of: gpu, for: "vision/main")
  let before = quota
  do {
    try quota.reserve(2, of: small, for: "churn/green")
    Issue.record("no error")
  } catch {
    #expect(error.code == .resourceExhausted)
    #expect(
      error.message
        == "'churn/green' asks for 2 × small (4 cores, 8 GiB); free are 2 cores, 28 GiB, 1 GPU of 16 cores, 64 GiB, 2 GPUs; "
        + "the rest is held by 'churn/blue' (5 × small: 10 cores, 20 GiB), 'vision/main' (1 × gpu: 4 cores, 16 GiB, 1 GPU)")
  }
  #expect(quota == before)
}

@Test func `what a deployment holds already counts for it`() throws {
  var quota = Quota(machine: machine)
  try quota.reserve(8, of: small, for: "churn/blue")
  #expect(quota.mostInstances(of: small, for: "churn/blue") == 8)
  #expect(quota.mostInstances(of: small, for: "churn/green") == 0)
  try quota.reserve(1, of: gpu, for: "churn/blue")
  #expect(quota.reserved == gpu.resources)
  try quota.reserve(0, of: gpu, for: "churn/blue")
  #expect(quota.free == machine)
  #expect(quota.reservations.isEmpty)
}

@Test func `a reserve for upgrades is held beside the instances, rounded up`() throws {
  var quota = Quota(machine: machine, upgradeReservePercent: 20)
  #expect(quota.mostInstances(of: small, for: "churn/blue") == 6)
  try quota.reserve(6, of: small, for: "churn/blue")
  #expect(quota.free.milliCores == 0)
  do {
    try quota.reserve(7, of: small, for: "churn/blue")
    Issue.record("no error")
  } catch {
    #expect(error.message.contains("(18 cores, 36 GiB, with 20 % in reserve for upgrades)"))
  }
}

@Test func `counts and sizes that can't be counted are refused`() throws {
  var quota = Quota(machine: machine)
  let huge = ComputeCatalogue.InstanceType(
    name: "huge", resources: ComputeResources(milliCores: .max, memoryBytes: .max))
  #expect(throws: InferenceError.self) { try quota.reserve(2, of: huge, for: "a") }
  #expect(throws: InferenceError.self) { try quota.reserve(-1, of: small, for: "a") }
  #expect(throws: InferenceError.self) { try quota.reserve(10_001, of: small, for: "a") }
}

/// Drawn reservations, changes and releases against a plain book: the sum is always exact and never more than the
/// machine, a refusal is never given where there is room, and `mostInstances` is the edge between the two.
@Test func `the machine is never promised twice, and what is released is free again`() {
  for seed: UInt64 in 0..<100 {
    var random = SeededGenerator(state: seed)
    var quota = Quota(machine: machine, upgradeReservePercent: [0, 20, 50].randomElement(using: &random)!)
    var book: [String: ComputeResources] = [:]
    for _ in 0..<200 {
      let holder = "e/\(Int.random(in: 0..<6, using: &random))"
      if Int.random(in: 0..<4, using: &random) == 0 {
        quota.release(holder)
        book[holder] = nil
      } else {
        let type = Bool.random(using: &random) ? small : gpu
        let count = Int.random(in: 0...6, using: &random)
        let most = quota.mostInstances(of: type, for: holder)
        let isTaken = (try? quota.reserve(count, of: type, for: holder)) != nil
        #expect(isTaken == (count <= most))
        if isTaken {
          let all = count + (count * quota.upgradeReservePercent + 99) / 100
          book[holder] = ComputeResources(
            milliCores: type.resources.milliCores * all, memoryBytes: type.resources.memoryBytes * all,
            gpus: type.resources.gpus * all)
        }
      }
      #expect(quota.reserved.milliCores == book.values.reduce(0) { $0 + $1.milliCores })
      #expect(quota.reserved.memoryBytes == book.values.reduce(0) { $0 + $1.memoryBytes })
      #expect(quota.reserved.gpus == book.values.reduce(0) { $0 + $1.gpus })
      #expect(quota.reserved.fits(into: machine))
    }
    for holder in book.keys { quota.release(holder) }
    #expect(quota.free == machine)
  }
}

@Test func `a type that is not declared is refused with the way to declare it`() throws {
  let catalogue = try ComputeCatalogue(machine: machine, types: [small])
  #expect(try catalogue.type(named: "small") == small)
  #expect(try catalogue.type(named: nil).resources == ComputeResources(milliCores: 1000, memoryBytes: 4 * gibibyte))
  do {
    _ = try catalogue.type(named: "Standard_DS3_v2")
    Issue.record("no error")
  } catch {
    #expect(
      error.message
        == "instance_type is 'Standard_DS3_v2', which is not declared on this server; expected one of: "
        + "default (1 core, 4 GiB); small (2 cores, 4 GiB). Declare it with what one instance of it gets, such as "
        + "Standard_DS3_v2: {cpu: \"4\", memory: 14Gi}, or set unknown_instance_types: use_default")
  }
  let lenient = try ComputeCatalogue(machine: machine, types: [small], unknownTypes: .useDefault)
  #expect(try lenient.type(named: "Standard_DS3_v2").resources == lenient.defaultType.resources)
}

@Test func `a declared default goes before the built-in one, and types must fit the machine`() throws {
  let own = ComputeCatalogue.InstanceType(name: "default", resources: gpu.resources)
  #expect(try ComputeCatalogue(machine: machine, types: [own]).type(named: nil) == own)
  #expect(throws: InferenceError.self) { try ComputeCatalogue(machine: machine, types: [small, small]) }
  do {
    _ = try ComputeCatalogue(machine: small.resources, types: [gpu])
    Issue.record("no error")
  } catch {
    #expect(
      error.message == "instance type 'gpu' is 4 cores, 16 GiB, 1 GPU, more than the machine, which has 2 cores, 4 GiB")
  }
}

@Test func `quantities read as Kubernetes writes them`() throws {
  let resources = try ComputeResources(cores: "0.1", memory: "0.5Gi", gpus: "1", field: "resources.requests")
  #expect(resources == ComputeResources(milliCores: 100, memoryBytes: gibibyte / 2, gpus: 1))
  #expect(try ComputeResources(cores: "250m", memory: "1G", field: "r").milliCores == 250)
  #expect(try ComputeResources(cores: "2", memory: "1000000", field: "r").memoryBytes == 1_000_000)
  for wrong in ["", "m", "-1", "1x", "1e3", "1.2.3", "99999999999Pi", "0x10"] {
    do {
      _ = try ComputeResources(cores: wrong, memory: "1Gi", field: "resources.requests")
      Issue.record("\(wrong) was read")
    } catch {
      #expect(error.message == "resources.requests.cpu is '\(wrong)'; expected a quantity such as 0.5 or 500m")
    }
  }
}
