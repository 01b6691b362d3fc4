internal import Foundation

/// Which server the commands talk to, as whom, and what they take for granted: what `apus login` and `apus configure` keep.
///
/// In `config.json` under `$XDG_CONFIG_HOME/apus`, else `~/.config/apus`; readable by its owner only, since it holds a
/// secret. The environment overrides it: `APUS_SERVER`, `APUS_TOKEN`, `APUS_WORKSPACE`.
package struct Profile: Codable, Hashable, Sendable {
  package var server: String?
  /// What a request shows: a principal's secret, or a token of an issuer that the server trusts.
  package var token: String?
  /// Files in PEM; absolute paths.
  package var ca: String?
  package var certificate: String?
  package var key: String?
  /// By name: workspace, endpoint, output.
  package var defaults: [String: String]?

  package init() {}

  /// The names that `apus configure --defaults` takes.
  package static let defaultNames = ["endpoint", "output", "workspace"]

  package static func path(in environment: [String: String]) -> String {
    if let home = environment["XDG_CONFIG_HOME"], home.hasPrefix("/") { return home + "/apus/config.json" }
    return (environment["HOME"] ?? NSHomeDirectory()) + "/.config/apus/config.json"
  }

  /// What is kept at a path; an empty profile if nothing is.
  package static func read(from path: String) throws(UsageError) -> Profile {
    guard FileManager.default.fileExists(atPath: path) else { return Profile() }
    guard let content = FileManager.default.contents(atPath: path) else { throw UsageError("can't read \(path)") }
    do {
      return try JSONDecoder().decode(Profile.self, from: content)
    } catch {
      throw UsageError("\(path) is not a profile; 'apus login' writes a new one once it is gone")
    }
  }

  /// Keeps it at a path, as a whole or not at all: it is written beside the old one and takes its place.
  package func write(to path: String) throws(UsageError) {
    let directory = (path as NSString).deletingLastPathComponent
    let draft = "\(path).\(ProcessInfo.processInfo.processIdentifier)"
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      try FileManager.default.createDirectory(
        atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      let content = try encoder.encode(self)
      // Made with its mode, so that at no time anybody else can read it.
      guard
        FileManager.default.createFile(atPath: draft, contents: content, attributes: [.posixPermissions: 0o600])
      else { throw UsageError("can't write \(draft)") }
      guard rename(draft, path) == 0 else { throw UsageError("can't write \(path): \(String(cString: strerror(errno)))") }
    } catch {
      try? FileManager.default.removeItem(atPath: draft)
      throw error as? UsageError ?? UsageError("can't write \(path): \(error.localizedDescription)")
    }
  }

  /// A copy with what the environment says in place of what was kept.
  package func overridden(by environment: [String: String]) -> Profile {
    var profile = self
    if let server = environment["APUS_SERVER"], ServerAddress.isControl(server), server != self.server {
      // Another server gets none of what was given for this one.
      profile = Profile()
      profile.defaults = defaults
      profile.server = server
    }
    if let token = environment["APUS_TOKEN"], !token.isEmpty {
      profile.token = token
    }
    if let workspace = environment["APUS_WORKSPACE"], !workspace.isEmpty {
      profile.defaults = (profile.defaults ?? [:]).merging(["workspace": workspace]) { $1 }
    }
    return profile
  }
}
