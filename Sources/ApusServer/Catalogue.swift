internal import Access
internal import Artifacts
internal import Control
internal import Glibc
internal import Inference
internal import Pools
internal import SQLiteStore
internal import Scaling
internal import Serving
internal import Stores
internal import Telemetry
internal import Tokens

/// The catalogue of a server and all that keeps it: store, files, keys, tokens, reconciler and control plane.
internal struct Catalogue: Sendable {
  let plane: ControlPlane
  let reconciler: Reconciler
  let mirror: MirrorQueue
  /// What doors ask about a credential that they do not know.
  let verification: CredentialVerification
  private let store: SQLiteStore
  private let documents: HTTPDocuments

  /// Opens a data directory.
  ///
  /// - Throws: What keeps it from being served, with what to do.
  static func open(
    _ configuration: ServerConfiguration, composer: SnapshotComposer, loader: DeploymentLoader, output: LogOutput
  ) async throws -> Catalogue? {
    guard let path = configuration.dataDirectory else { return nil }
    let directory = DataDirectory(path)
    guard access(directory.masterKey, F_OK) == 0 else {
      throw InferenceError.failedPrecondition("'\(path)' is not set up: run `apus init --data \(path)` first")
    }
    let keys = MasterKeys(current: try MasterKey.read(at: directory.masterKey))
    let store = try SQLiteStore(path: directory.catalogue, clock: WallClock.now)
    let artifacts = try ArtifactStore(path: directory.artifacts)
    let pem = try keys.open(try await ControlPlane.tokenKey(in: store), purpose: DataDirectory.tokenKeyPurpose)
    let issuer = try TokenIssuer(configuration.tokens, current: try TokenSigningKey(pem: pem))
    let documents = HTTPDocuments()
    let openID = try OpenIDConnect(configuration.openIDIssuers, documents: documents)
    let security = try Security(keys: keys, isOpen: configuration.isPrivate)
    let verifier = CredentialVerifier(
      issuer: { issuer }, openID: openID, authorizer: { security.currentAuthorizer }, now: { WallClock.now() / 1000 })

    let mirrors = MirrorComparisons()
    let mirror = try MirrorQueue(limits: configuration.mirror, observer: mirrors)
    let reconciler = Reconciler(
      compute: Compute(try configuration.computeCatalogue()), composer: composer, loader: loader, artifacts: artifacts,
      limits: configuration.pools, maxParallelLoads: configuration.modelLoadThreads, mirror: mirror,
      hidesNames: !configuration.isPrivate, log: output.log("apus.endpoints"))
    var options = ControlPlaneOptions()
    options.trustsEveryone = configuration.isPrivate
    options.workspace = configuration.workspace
    options.modelMemoryBytes = configuration.modelMemoryBytes
    let plane = ControlPlane(
      options: options, store: store, artifacts: artifacts, reconciler: reconciler, security: security, mirrors: mirrors,
      tokens: Catalogue.tokens(issuer, verifier), log: output.log("apus.control"))
    try await plane.readRoles()
    return Catalogue(
      plane: plane, reconciler: reconciler, mirror: mirror,
      verification: Catalogue.verification(verifier, plane), store: store, documents: documents)
  }

  private static func tokens(_ issuer: TokenIssuer, _ verifier: CredentialVerifier) -> TokenServices {
    TokenServices(
      issue: { principal, endpoint, access in
        var generator = SystemRandomNumberGenerator()
        let token = issuer.endpointToken(
          for: principal, endpoint: endpoint, epoch: access.tokenEpoch, at: WallClock.now() / 1000, using: &generator)
        return TokenServices.Issued(
          accessToken: token.accessToken, expiryTime: token.expiryTimeUtc, refreshAfterTime: token.refreshAfterTimeUtc,
          tokenType: token.tokenType)
      },
      principal: { token in
        let credential = PresentedCredential(authorization: Array("Bearer \(token)".utf8))
        return try? await verifier.authenticate(credential).principal
      })
  }

  /// Tokens by their verifier, and the secrets of this server's own principals by its catalogue.
  private static func verification(
    _ verifier: CredentialVerifier, _ plane: ControlPlane
  ) -> CredentialVerification {
    { credential, endpoint, access in
      if let verdict = await plane.verdict(onSecret: credential, endpoint: endpoint, access: access) { return verdict }
      return await verifier.verdict(on: credential, endpoint: endpoint, access: access)
    }
  }

  /// Puts everything away. Call it when nothing is served any more.
  func close() async {
    mirror.stop()
    await documents.shutdown()
    try? store.close()
  }
}

extension ServerConfiguration {
  /// What the operator declared, on this machine.
  fileprivate func computeCatalogue() throws(InferenceError) -> ComputeCatalogue {
    let cores = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    let memory = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    let machine = machine ?? ComputeResources(milliCores: 1000 * cores, memoryBytes: memory, gpus: 0)
    return try ComputeCatalogue(machine: machine, types: instanceTypes, unknownTypes: unknownInstanceTypes)
  }
}
