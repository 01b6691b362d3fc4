internal import Access
internal import Artifacts
internal import Control
internal import Glibc
internal import Inference
internal import SQLiteStore
internal import Stores
internal import Tokens

/// Where a server keeps what must survive: one directory, for one server at a time.
///
///     catalogue.sqlite   endpoints, deployments, models, roles, operations, the audit log
///     master.key         what the endpoints' keys are sealed under; readable by its owner only
///     artifacts/         the models' files, by their content
///     server.json        of a private server that runs: how to reach it
package struct DataDirectory: Sendable {
  package let path: String

  package init(_ path: String) { self.path = path }

  internal var catalogue: String { "\(path)/catalogue.sqlite" }
  internal var masterKey: String { "\(path)/master.key" }
  internal var artifacts: String { "\(path)/artifacts" }

  /// How long the first administrator has to sign in.
  package static let firstLoginHours = 24

  /// Makes the directory and what belongs in it.
  ///
  /// - Returns: The first administrator's one-time secret.
  /// - Throws: `InferenceError` `.alreadyExists` if there is a catalogue already; or what can't be made, and why.
  package func create(administrator: String) async throws -> String {
    if mkdir(path, 0o700) != 0, errno != EEXIST {
      throw InferenceError.failedPrecondition("can't create '\(path)': \(String(cString: strerror(errno)))")
    }
    guard access(masterKey, F_OK) != 0 else {
      throw InferenceError.alreadyExists("'\(path)' is set up already: serve it with `apus serve --data \(path)`")
    }
    // The key last: a directory without one is not set up, and this can be run again.
    let store = try SQLiteStore(path: catalogue, clock: WallClock.now)
    _ = try ArtifactStore(path: artifacts)
    var generator = SystemRandomNumberGenerator()
    let pending = "\(masterKey).new"
    unlink(pending)
    let key = try MasterKey.create(at: pending, using: &generator)
    let pem = TokenSigningKey().pem
    try await ControlPlane.setUp(store, tokenKey: MasterKeys(current: key).seal(pem, purpose: DataDirectory.tokenKeyPurpose))
    let secret = try await ControlPlane.addFirstAdministrator(
      administrator, to: store, hours: DataDirectory.firstLoginHours, now: WallClock.now())
    try store.close()
    guard rename(pending, masterKey) == 0 else {
      throw InferenceError.failedPrecondition("can't name '\(masterKey)': \(String(cString: strerror(errno)))")
    }
    return secret
  }

  internal static let tokenKeyPurpose = "tokenSigningKey"
}
