internal import ApusServer
internal import ArgumentParser
internal import GRPC
internal import Telemetry
internal import Transport

/// Where the server listens, how it proves who it is, and what it writes.
struct NetworkOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Address to listen on: HOST:PORT, [IPv6]:PORT, :PORT for all addresses, or unix:PATH. Repeatable. "
        + "(default: :8001, all addresses)",
      valueName: "address"))
  var listen: [SocketAddress] = []

  @Option(help: ArgumentHelp("Threads that own sockets; 0: one a core. (default: 0)", valueName: "n"))
  var eventLoops: Int?

  @Option(help: ArgumentHelp("The server's certificate chain, PEM; turns TLS on.", valueName: "file"))
  var tlsCertificate: String?

  @Option(help: ArgumentHelp("The key of that certificate, PEM.", valueName: "file"))
  var tlsKey: String?

  @Option(help: ArgumentHelp("The roots that client certificates must come from, PEM.", valueName: "file"))
  var tlsClientCA: String?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Refuse clients without a certificate. (default: --no-tls-require-client-certificate)")
  var tlsRequireClientCertificate: Bool?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: ArgumentHelp(
      "Let clients on this machine put tensors in shared memory that they register; with --data only those who come by "
        + "--private-listen or --private-http-listen. (default: --no-shared-memory)"))
  var sharedMemory: Bool?

  @Option(
    help: ArgumentHelp(
      "How answers are compressed for clients that accept it: identity, gzip or deflate. (default: identity)",
      valueName: "encoding"))
  var responseCompression: Compression?

  @Option(
    help: ArgumentHelp("What running calls get to finish after SIGTERM. (default: 30s)", valueName: "time"),
    transform: TimeSpan.parse)
  var drainGrace: TimeSpan?

  @Option(
    help: ArgumentHelp("The least that is worth a line. (default: info)", valueName: "level"))
  var logLevel: LogLevel?

  @Option(help: ArgumentHelp("Log lines as text or json. (default: text)", valueName: "format"))
  var logFormat: LogFormat?

  enum Compression: String, ExpressibleByArgument, CaseIterable { case identity, gzip, deflate }
  enum LogFormat: String, ExpressibleByArgument, CaseIterable { case text, json }

  func apply(to configuration: inout ServerConfiguration) throws {
    if !listen.isEmpty { configuration.listenAddresses = listen }
    try set(&configuration.eventLoops, eventLoops, "--event-loops", 0...1024)
    switch responseCompression {
    case .identity: configuration.grpc.responseEncoding = .identity
    case .gzip: configuration.grpc.responseEncoding = .gzip
    case .deflate: configuration.grpc.responseEncoding = .deflate
    case nil: break
    }
    if let sharedMemory { configuration.allowsSharedMemory = sharedMemory }
    if let drainGrace { configuration.drainGrace = drainGrace.duration }
    if let logLevel { configuration.logLevel = logLevel }
    if let logFormat { configuration.logForm = logFormat == .json ? .json : .text }
  }
}

/// The TLS options of all sources together: they only mean something as a whole.
struct TLSSettings {
  private var certificate: String?
  private var key: String?
  private var clientCA: String?
  private var requiresClientCertificate: Bool?

  mutating func apply(_ options: NetworkOptions) {
    certificate = options.tlsCertificate ?? certificate
    key = options.tlsKey ?? key
    clientCA = options.tlsClientCA ?? clientCA
    requiresClientCertificate = options.tlsRequireClientCertificate ?? requiresClientCertificate
  }

  /// Nil without TLS.
  func resolved() throws(UsageError) -> TLSConfiguration? {
    switch (certificate, key) {
    case (let certificate?, let key?):
      var tls = TLSConfiguration(certificateFile: certificate, keyFile: key)
      tls.clientCAFile = clientCA ?? ""
      tls.requiresClientCertificate = requiresClientCertificate ?? false
      if tls.requiresClientCertificate, tls.clientCAFile.isEmpty {
        throw UsageError("--tls-require-client-certificate needs --tls-client-ca, the roots to check them against")
      }
      return tls
    case (nil, _?): throw UsageError("--tls-key needs --tls-certificate, the certificate that it belongs to")
    case (_?, nil): throw UsageError("--tls-certificate needs --tls-key, the key that belongs to it")
    case (nil, nil):
      if clientCA != nil { throw UsageError("--tls-client-ca needs --tls-certificate and --tls-key") }
      if requiresClientCertificate == true {
        throw UsageError("--tls-require-client-certificate needs --tls-certificate and --tls-key")
      }
      return nil
    }
  }
}

extension SocketAddress: ExpressibleByArgument {
  package init?(argument text: String) { self.init(text) }
}

extension LogLevel: ExpressibleByArgument {
  package init?(argument text: String) { self.init(word: text) }

  // By default these would be the raw values, which are numbers.
  package static var allValueStrings: [String] { allCases.map(\.word) }
}
