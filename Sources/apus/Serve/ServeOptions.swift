package import ApusServer
internal import ArgumentParser

/// Everything that `apus serve` can be told, from whichever source: flags, environment or file. All of them have the
/// same names, and what is not given is nil or empty.
package struct ServeOptions: ParsableArguments {
  @OptionGroup(title: "Models") var models: ModelOptions
  @OptionGroup(title: "Network and logs") var network: NetworkOptions
  @OptionGroup(title: "Endpoints") var endpoints: EndpointOptions
  @OptionGroup(title: "Limits") var limits: LimitOptions

  package init() {}

  /// The configuration that these sources make together; a later one overrides an earlier one.
  ///
  /// - Throws: `UsageError` that names the option, for a value out of its range or options that do not go together.
  package static func configuration(from sources: [ServeOptions]) throws -> ServerConfiguration {
    var configuration = ServerConfiguration()
    var tls = TLSSettings()
    for source in sources {
      try source.models.apply(to: &configuration)
      try source.network.apply(to: &configuration)
      try source.endpoints.apply(to: &configuration)
      try source.limits.apply(to: &configuration)
      tls.apply(source.network)
    }
    configuration.tls = try tls.resolved()
    try EndpointOptions.complete(&configuration)
    if configuration.modelRepositories.isEmpty && configuration.dataDirectory == nil {
      throw UsageError("there is nothing to serve: give --model-repository DIR, or --data DIR after `apus init`")
    }
    return configuration
  }
}

/// An option's name without its dashes, and what it takes.
package struct OptionName: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case value
    /// A value in the form of `TimeSpan`.
    case time
    /// A value in the form of `ByteCount`.
    case size
    /// Any number of values.
    case list
    /// `--name` or `--no-name`; in files and the environment `true` or `false`.
    case flag
  }

  package let name: String
  package let kind: Kind
}

extension ServeOptions {
  /// The options by name, for the sources that are not the command line. A test holds the list against the help text.
  package static let names: [OptionName] =
    [
      "model-repository", "load-model", "cuda-libraries", "listen", "private-listen", "http-listen", "private-http-listen",
      "control-listen", "control-grpc-listen", "instance-type", "oidc-issuer", "cors-origin",
    ].map { OptionName(name: $0, kind: .list) }
    + ["model-control", "warm-up", "batch-tuning", "memory-arena", "tls-require-client-certificate", "private", "shared-memory"]
    .map { OptionName(name: $0, kind: .flag) }
    + [
      "load-models", "onnxruntime", "model-load-threads", "default-max-batch-size", "execution-provider",
      "intra-op-threads", "inter-op-threads", "instances", "event-loops", "tls-certificate", "tls-key", "tls-client-ca",
      "response-compression", "log-level", "log-format", "max-concurrent-streams", "max-connections",
      "max-requests-in-flight", "http-max-connections", "http-max-requests", "max-queue-size", "queue-full-status",
      "queue-timeout-status", "data", "scoring-address", "workspace", "unknown-instance-types", "machine",
    ].map { OptionName(name: $0, kind: .value) }
    + [
      "poll-interval", "drain-grace", "handshake-timeout", "idle-timeout", "keepalive-time",
      "keepalive-timeout", "min-ping-interval", "max-connection-age", "max-connection-age-grace", "stall-timeout",
      "inline-run-limit", "http-body-timeout", "http-idle-timeout", "token-lifetime",
    ].map { OptionName(name: $0, kind: .time) }
    + [
      "max-message-bytes", "memory-bytes", "connection-bytes", "max-header-list-bytes", "stream-window-bytes",
      "connection-window-bytes", "http-memory-bytes", "max-body-bytes", "model-memory-bytes",
      "response-cache-bytes",
    ].map { OptionName(name: $0, kind: .size) }

  /// Reads one option's values as the command line would.
  ///
  /// - Parameter source: Where they come from, for the error's text, such as `apus.yaml: idle-timeout`.
  static func arguments(_ option: OptionName, _ values: [String], source: String) throws(UsageError) -> [String] {
    let arguments: [String]
    switch option.kind {
    case .list:
      arguments = values.flatMap { ["--\(option.name)", $0] }
    case .value, .time, .size:
      guard values.count == 1 else { throw UsageError("\(source): expected one value, found \(values.count)") }
      arguments = ["--\(option.name)", values[0]]
    case .flag:
      switch values {
      case ["true"]: arguments = ["--\(option.name)"]
      case ["false"]: arguments = ["--no-\(option.name)"]
      default: throw UsageError("\(source): expected true or false, found '\(values.joined(separator: ", "))'")
      }
    }
    // Alone, so that an error can be laid at this option's door.
    guard (try? parse(arguments)) != nil else {
      let text = values.map { "'\($0)'" }.joined(separator: ", ")
      switch option.kind {
      case .time: throw UsageError("\(source): found \(text); \(TimeSpan.form)")
      case .size: throw UsageError("\(source): found \(text); \(ByteCount.form)")
      case .value, .list, .flag:
        throw UsageError("\(source): \(text) is not a value that --\(option.name) takes; see apus serve --help")
      }
    }
    return arguments
  }
}
