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
