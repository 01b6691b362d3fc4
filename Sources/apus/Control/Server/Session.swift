internal import Foundation

/// All that a command needs to know of its server: the profile, the environment and the options, put together.
struct Session: Sendable {
  var address: ServerAddress
  var workspace: String
  var token: String?
  var ca: String?
  var certificate: String?
  var key: String?
  /// How long one answer may take.
  var timeout: Duration
  /// The endpoint that is meant where none is named.
  var defaultEndpoint: String?
  /// The private server of this machine; it asks nobody who they are.
  var isLocal = false
  /// What a server at a socket takes for the name that it was reached by, and makes addresses of; nil: localhost.
  var host: String?
  /// Whether each request is told of on standard error.
  var isVerbose = false

  static let defaultWorkspace = "default"

  /// Where the workspace's resources are.
  var base: String { "/workspaces/\(Session.escaped(workspace))" }

  /// A name as a part of a path.
  static func escaped(_ name: String) -> String {
    name.addingPercentEncoding(withAllowedCharacters: segmentCharacters) ?? name
  }

  private static let segmentCharacters = CharacterSet(
    charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~@:")
}
