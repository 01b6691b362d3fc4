import Inference
import Routing
import Testing

extension RoutingTable {
  fileprivate func refusal(_ endpoint: String, _ version: String = "") -> InferenceError? {
    do throws(InferenceError) {
      _ = try target(endpoint, version: version)
      return nil
    } catch { return error }
  }
}

private let table = RoutingTable([
  EndpointRoutes(
    name: "resnet",
    deployments: [
      DeploymentRoute(version: 1, destination: .target(10)),
      DeploymentRoute(version: 3, destination: .notReady(state: "LOADING", mayComeBack: true)),
      DeploymentRoute(version: 2, destination: .target(20)),
    ]),
  EndpointRoutes(
    name: "loading",
    deployments: [DeploymentRoute(version: 1, destination: .notReady(state: "LOADING", mayComeBack: true))]),
  EndpointRoutes(
    name: "broken",
    deployments: [
      DeploymentRoute(version: 1, destination: .notReady(state: "UNAVAILABLE: bad file", mayComeBack: false))
    ]),
  EndpointRoutes(name: "empty", deployments: []),
  EndpointRoutes(name: "zero", deployments: [DeploymentRoute(version: 0, destination: .target(0))]),
])

@Test func `an empty version is the highest ready one`() throws {
  #expect(try table.target("resnet") == 20)
  #expect(try table.target("zero") == 0)
}

@Test func `a version is looked up as a number`() throws {
  #expect(try table.target("resnet", version: "1") == 10)
  #expect(try table.target("resnet", version: "2") == 20)
  #expect(try table.target("zero", version: "0") == 0)
}

@Test func `an unknown model is not found, in Triton's words`() {
  #expect(table.refusal("resne") == .notFound("Request for unknown model: 'resne' is not found"))
  #expect(table.refusal("") == .notFound("Request for unknown model: '' is not found"))
  #expect(table.refusal("resnet", "4") == .notFound("Request for unknown model: 'resnet' version 4 is not found"))
  #expect(table.refusal("empty") == .notFound("Request for unknown model: 'empty' has no available versions"))
  #expect(table.refusal("broken") == .notFound("Request for unknown model: 'broken' has no available versions"))
}

@Test func `a version that is not ready is unavailable, and its state is named`() {
  #expect(
    table.refusal("resnet", "3")
      == .unavailable("Request for model 'resnet' version 3, which is not ready: its state is LOADING"))
  #expect(
    table.refusal("loading")
      == .unavailable("Request for model 'loading' version 1, which is not ready: its state is LOADING"))
  #expect(
    table.refusal("broken", "1")
      == .unavailable("Request for model 'broken' version 1, which is not ready: its state is UNAVAILABLE: bad file"))
}

@Test(arguments: ["1abc", "-1", "01", "+1", " 1", "1 ", "1.0", "９", "9223372036854775808", "00"])
func `a version that is not a plain number is an invalid argument`(version: String) {
  #expect(table.refusal("resnet", version)?.code == .invalidArgument)
  #expect(table.refusal("resnet", version)?.message.contains("'\(version)'") == true)
}

@Test func `the largest version is a number`() {
  #expect(table.refusal("resnet", "9223372036854775807")?.code == .notFound)
}

@Test func `a table of no endpoints finds nothing`() {
  #expect(RoutingTable([]).refusal("x")?.code == .notFound)
}

@Test func `an error quotes no more of a long name than a name may have`() throws {
  let refusal = try #require(table.refusal(String(repeating: "x", count: 100_000)))
  #expect(refusal.message.utf8.count < 400)
}

/// Every table size up to a few hundred: each name finds its own target, and a stranger finds none.
@Test func `every name finds its own target, whatever the table's size`() throws {
  for count in [1, 2, 3, 4, 5, 8, 9, 100, 257] {
    let table = RoutingTable(
      (0..<count).map {
        EndpointRoutes(name: "m\($0)", deployments: [DeploymentRoute(version: 7, destination: .target($0))])
      })
    for index in 0..<count {
      #expect(try table.target("m\(index)") == index)
      #expect(try table.target("m\(index)", version: "7") == index)
    }
    #expect(table.refusal("m\(count)")?.code == .notFound)
  }
}
