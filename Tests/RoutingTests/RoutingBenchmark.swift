import Glibc
import Inference
import Routing
import Testing

/// Looks every name of a large table up. `BENCH_ROUNDS` makes the run long enough to read the time.
@Test func `a table of a thousand endpoints finds each by its bytes`() throws {
  let rounds = getenv("BENCH_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 1000
  let count = 1000
  let names = (0..<count).map { "model-\($0)" }
  let table = RoutingTable(
    names.indices.map { index in
      EndpointRoutes(
        name: names[index], deployments: [DeploymentRoute(version: 1, destination: .target(index))])
    })
  let bytes = names.map { Array($0.utf8) }
  var wrong = 0
  let start = Instant.now()
  for round in 0..<rounds {
    let index = round % count
    try bytes[index].withUnsafeBytes { name in
      let empty = UnsafeRawBufferPointer(start: nil, count: 0)
      if try table.target(endpoint: name, version: empty) != index { wrong += 1 }
    }
  }
  print("router: \(Instant.now().nanoseconds(since: start) / UInt64(rounds)) ns a lookup among \(count)")
  #expect(wrong == 0)
}

/// What a request costs the router: look-up, decision, sticky decision. `BENCH_ROUNDS` makes the run long enough.
@Test func `a split endpoint among a thousand finds each of its deployments`() throws {
  let rounds = getenv("BENCH_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 1000
  var endpoints = (0..<1000).map {
    EndpointRoutes(name: "model-\($0)", deployments: [DeploymentRoute(version: 1, destination: .target($0))])
  }
  for (name, isSticky) in [("plain", false), ("sticky", true)] {
    endpoints.append(
      EndpointRoutes(
        name: name,
        deployments: ["blue", "green", "shadow"].enumerated().map {
          DeploymentRoute(name: $0.element, destination: .target(2000 + $0.offset))
        },
        traffic: .split(percents: ["blue": 90, "green": 10]), mirror: MirrorRule(deployment: "shadow", percent: 10),
        isSticky: isSticky))
  }
  let table = RoutingTable(endpoints)
  let empty = UnsafeRawBufferPointer(start: nil, count: 0)
  for (name, key) in [("plain", ""), ("sticky", "a-user-of-ours")] {
    let (name, key) = (Array(name.utf8), Array(key.utf8))
    var sum = 0
    let start = Instant.now()
    try name.withUnsafeBytes { bytes in
      try key.withUnsafeBytes { key in
        for _ in 0..<rounds {
          let decision = try table.decide(endpoint: table.index(of: bytes), version: empty, pin: empty, routingKey: key)
          sum += decision.target - 2000
        }
      }
    }
    let what = String(decoding: name, as: UTF8.self)
    print("router: \(Instant.now().nanoseconds(since: start) / UInt64(rounds)) ns a decision of a \(what) split with a mirror")
    #expect(what == "sticky" ? sum % rounds == 0 : abs(sum - rounds / 10) <= 1)
  }
}
