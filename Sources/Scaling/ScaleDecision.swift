/// How many instances a deployment should have, and why.
package enum ScaleDecision: Hashable, Sendable {
  case keep(reason: String)
  case scale(to: Int, reason: String)

  package var reason: String {
    switch self {
    case .keep(let reason), .scale(_, let reason): reason
    }
  }
}
