internal import ApusServer
internal import ArgumentParser
internal import Gateway
internal import Inference
internal import Scaling
internal import Tokens
internal import Transport

/// Endpoints: where they are kept, where they are reached, and who may.
struct EndpointOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Directory that `apus init` made; the endpoints in it are served.", valueName: "dir"))
  var data: String?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Take whoever reaches this server for its owner. Only for a server that nobody else reaches. (default: --no-private)")
  var `private`: Bool?

  @Option(
    help: ArgumentHelp(
      "Address for scoring over HTTP. Repeatable. (default: :8000 with --data, else none)", valueName: "address"))
  var httpListen: [SocketAddress] = []

  @Option(
    help: ArgumentHelp(
      "Address for scoring over HTTP inside your own network. Endpoints with public_network_access: disabled answer here, but "
        + "not at --http-listen. Repeatable.", valueName: "address"))
  var privateHTTPListen: [SocketAddress] = []

  @Option(
    help: ArgumentHelp(
      "Address for gRPC inside your own network. Endpoints with public_network_access: disabled answer here, but not at "
        + "--listen. Repeatable.", valueName: "address"))
  var privateListen: [SocketAddress] = []

  @Option(
    help: ArgumentHelp(
      "Address for managing endpoints over HTTP. Repeatable. (default: 127.0.0.1:8003 with --data)", valueName: "address"))
  var controlListen: [SocketAddress] = []

  @Option(
    help: ArgumentHelp(
      "Address for managing endpoints over gRPC, by apus.control.v1.ControlService; may be that of --listen. Repeatable. "
        + "(default: none)", valueName: "address"))
  var controlGRPCListen: [SocketAddress] = []

  @Option(
    help: ArgumentHelp(
      "Address that clients are told to call, such as https://models.example.com where a proxy stands before this server. "
        + "(default: the one that the request came to)", valueName: "address"))
  var scoringAddress: String?

  @Option(help: ArgumentHelp("The workspace's name in paths: /workspaces/NAME/…. (default: default)", valueName: "name"))
  var workspace: String?

  @Option(
    help: ArgumentHelp(
      "Declares an instance type and what each instance of it gets: NAME=CORES,MEMORY[,GPUS], such as small=2,4Gi. Repeatable.",
      valueName: "type"))
  var instanceType: [String] = []

  @Option(
    help: ArgumentHelp(
      "What to do with a deployment of an instance type that is not declared: refuse it, or use_default, which gives it what "
        + "the type called default gets. (default: refuse if any type is declared, else use_default)",
      valueName: "what"))
  var unknownInstanceTypes: UnknownTypes?

  @Option(
    help: ArgumentHelp(
      "What all instances together may use: CORES,MEMORY[,GPUS], such as 16,64Gi. (default: all of this machine)",
      valueName: "resources"))
  var machine: String?

  @Option(
    help: ArgumentHelp(
      "Memory for models. When they use more, deployments with load_on_demand leave memory, the least recently used first. "
        + "(default: no limit)", valueName: "size"),
    transform: ByteCount.parse)
  var modelMemoryBytes: ByteCount?

  @Option(
    help: ArgumentHelp(
      "An OpenID Connect issuer whose tokens are accepted, and the audiences they must name one of: "
        + "NAME=ISSUER,AUDIENCE[,AUDIENCE…]. Repeatable.", valueName: "issuer"))
  var oidcIssuer: [String] = []

  @Option(
    help: ArgumentHelp("How long the tokens that this server issues for an endpoint are valid. (default: 8h)", valueName: "time"),
    transform: TimeSpan.parse)
  var tokenLifetime: TimeSpan?

  @Option(
    help: ArgumentHelp(
      "Origin of web pages that may call the HTTP addresses, such as https://app.example.com; *: every origin. Repeatable.",
      valueName: "origin"))
  var corsOrigin: [String] = []

  @Option(
    help: ArgumentHelp("Largest body of an HTTP request. (default: 100MiB)", valueName: "size"), transform: ByteCount.parse)
  var maxBodyBytes: ByteCount?

  enum UnknownTypes: String, ExpressibleByArgument, CaseIterable {
    case refuse
    case useDefault = "use_default"
  }

  func apply(to configuration: inout ServerConfiguration) throws {
    if let data { configuration.dataDirectory = data }
    if let `private` { configuration.isPrivate = `private` }
    if !httpListen.isEmpty { configuration.httpAddresses = httpListen }
    if !privateHTTPListen.isEmpty { configuration.privateHTTPAddresses = privateHTTPListen }
    if !privateListen.isEmpty { configuration.privateAddresses = privateListen }
    if !controlListen.isEmpty { configuration.controlAddresses = controlListen }
    if !controlGRPCListen.isEmpty { configuration.grpcControlAddresses = controlGRPCListen }
    if let scoringAddress {
      configuration.scoringAddress = scoringAddress.hasSuffix("/") ? String(scoringAddress.dropLast()) : scoringAddress
    }
    if let workspace { configuration.workspace = workspace }
    if !instanceType.isEmpty {
      configuration.instanceTypes = try instanceType.map { try Self.instanceType($0) }
      configuration.unknownInstanceTypes = .refuse
    }
    switch unknownInstanceTypes {
    case .refuse: configuration.unknownInstanceTypes = .refuse
    case .useDefault: configuration.unknownInstanceTypes = .useDefault
    case nil: break
    }
    if let modelMemoryBytes { configuration.modelMemoryBytes = UInt64(modelMemoryBytes.bytes) }
    if let machine { configuration.machine = try Self.resources(machine, "--machine") }
    if !oidcIssuer.isEmpty { configuration.openIDIssuers = try oidcIssuer.map { try Self.issuer($0) } }
    if let tokenLifetime {
      let seconds = Int64(tokenLifetime.duration.components.seconds)
      configuration.tokens.endpointLifetime = seconds
      configuration.tokens.refreshAfter = max(1, seconds / 2)
    }
    if !corsOrigin.isEmpty { configuration.cors.allowedOrigins = corsOrigin }
    try set(&configuration.gateway.maxBodyBytes, maxBodyBytes?.bytes, "--max-body-bytes", 1...Int(UInt32.max))
  }

  /// What only means something once all sources are read.
  static func complete(_ configuration: inout ServerConfiguration) throws(UsageError) {
    guard configuration.dataDirectory != nil else {
      if configuration.isPrivate { throw UsageError("--private needs --data, the directory of what is served") }
      for (option, addresses) in [
        ("--control-listen", configuration.controlAddresses), ("--control-grpc-listen", configuration.grpcControlAddresses),
      ] where !addresses.isEmpty {
        throw UsageError("\(option) needs --data, the directory that it controls")
      }
      return
    }
    if configuration.httpAddresses.isEmpty { configuration.httpAddresses = [.tcp(host: "", port: 8000)] }
    if configuration.controlAddresses.isEmpty { configuration.controlAddresses = [.tcp(host: "127.0.0.1", port: 8003)] }
    let isReachedInPrivate =
      configuration.isPrivate || !configuration.privateAddresses.isEmpty || !configuration.privateHTTPAddresses.isEmpty
    if configuration.allowsSharedMemory, !isReachedInPrivate {
      throw UsageError(
        "--shared-memory with --data is for those who come by --private-listen or --private-http-listen: give one of them")
    }
  }

  private static func instanceType(_ text: String) throws(UsageError) -> ComputeCatalogue.InstanceType {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2 else {
      throw UsageError("--instance-type is '\(text)'; expected NAME=CORES,MEMORY[,GPUS], such as small=2,4Gi")
    }
    return ComputeCatalogue.InstanceType(name: parts[0], resources: try resources(parts[1], "--instance-type \(parts[0])"))
  }

  private static func resources(_ text: String, _ option: String) throws(UsageError) -> ComputeResources {
    let parts = text.split(separator: ",").map(String.init)
    guard (2...3).contains(parts.count) else {
      throw UsageError("\(option) is '\(text)'; expected CORES,MEMORY[,GPUS], such as 2,4Gi or 4,16Gi,1")
    }
    do {
      return try ComputeResources(cores: parts[0], memory: parts[1], gpus: parts.count > 2 ? parts[2] : "0", field: option)
    } catch { throw UsageError(error.message) }
  }

  private static func issuer(_ text: String) throws(UsageError) -> OpenIDConfiguration {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    let values = parts.count == 2 ? parts[1].split(separator: ",").map(String.init) : []
    guard values.count >= 2 else {
      throw UsageError("--oidc-issuer is '\(text)'; expected NAME=ISSUER,AUDIENCE, such as corp=https://login.example.com,apus")
    }
    let issuer = OpenIDConfiguration(name: parts[0], issuer: values[0], audiences: Array(values.dropFirst()))
    do { try issuer.validate() } catch { throw UsageError("--oidc-issuer: \(error.message)") }
    return issuer
  }
}
