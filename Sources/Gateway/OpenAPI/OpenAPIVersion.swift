/// A version of the OpenAPI Specification that an endpoint is described in, by the words of Azure ML's `version=`.
package enum OpenAPIVersion: String, CaseIterable, Sendable {
  case two = "2.0"
  case three = "3.0.3"
  case threeOne = "3.1.0"

  /// - Parameter word: `2`, `2.0`, `3`, `3.0` or `3.1`; nil: 2.
  package init?(word: String?) {
    switch word {
    case nil, "2", "2.0": self = .two
    case "3", "3.0": self = .three
    case "3.1": self = .threeOne
    default: return nil
    }
  }
}
