import Inference
import Routing

extension RoutingTable {
  /// Decides for names in everyday form; the endpoint is there.
  func decide(
    _ endpoint: String, version: String = "", pin: String = "", key: String = ""
  ) throws(InferenceError) -> RoutingDecision {
    let (endpoint, version) = (Array(endpoint.utf8), Array(version.utf8))
    let (pin, key) = (Array(pin.utf8), Array(key.utf8))
    let result = endpoint.withUnsafeBytes { endpoint in
      version.withUnsafeBytes { version in
        pin.withUnsafeBytes { pin in
          key.withUnsafeBytes { key in
            Result { () throws(InferenceError) in
              try decide(endpoint: index(of: endpoint), version: version, pin: pin, routingKey: key)
            }
          }
        }
      }
    }
    return try result.get()
  }

  func refusal(
    deciding endpoint: String, version: String = "", pin: String = ""
  ) -> InferenceError? {
    do throws(InferenceError) {
      _ = try decide(endpoint, version: version, pin: pin)
      return nil
    } catch { return error }
  }
}

extension EndpointRoutes {
  /// An endpoint "e" whose ready deployments have their index as target.
  static func split(
    _ percents: KeyValuePairs<String, Int>, notReady: Set<String> = [], mirror: MirrorRule? = nil, isSticky: Bool = false
  ) -> EndpointRoutes {
    let names = percents.map(\.key)
    return EndpointRoutes(
      name: "e",
      deployments: names.indices.map { index in
        let waits = notReady.contains(names[index])
        return DeploymentRoute(
          name: names[index],
          destination: waits ? .notReady(state: "LOADING", mayComeBack: true) : .target(index))
      },
      traffic: .split(percents: Dictionary(uniqueKeysWithValues: percents.map { ($0.key, $0.value) })),
      mirror: mirror, isSticky: isSticky)
  }
}
