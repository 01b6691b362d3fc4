/// What kept a load test from being set up or from going on: for people.
package struct LoadError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Kind: Hashable, Sendable {
    /// A value, a file or a combination of them that the person at the keyboard can put right.
    case usage
    /// The server can't be reached.
    case unreachable
    /// The server answered, but not as a test needs it.
    case server
  }

  package var kind: Kind
  package var message: String

  package init(_ message: String, _ kind: Kind = .usage) {
    self.kind = kind
    self.message = message
  }

  package var description: String { message }
}
