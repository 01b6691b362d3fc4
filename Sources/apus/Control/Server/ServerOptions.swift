internal import ArgumentParser
internal import Foundation

/// Which server's control plane a command talks to, and how.
struct ServerOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The server: http://HOST:PORT, https://HOST:PORT or unix:PATH. (default: APUS_SERVER, else that of apus login)",
      valueName: "url"))
  var server: String?

  @Flag(help: "Use a private server on this machine, which is started when none runs.")
  var local = false

  @Option(name: [.customShort("w"), .customLong("workspace-name"), .customLong("workspace")],
    help: ArgumentHelp("The workspace. (default: APUS_WORKSPACE, else the profile's, else default)", valueName: "name"))
  var workspace: String?

  @Option(name: [.customShort("g"), .customLong("resource-group")],
    help: ArgumentHelp("Taken for the sake of scripts written for az; it has no meaning here.", valueName: "name"))
  var resourceGroup: String?

  @Option(help: ArgumentHelp("Roots that the server's certificate must come from, PEM.", valueName: "file"))
  var ca: String?

  @Option(help: ArgumentHelp("The client's own certificate, PEM.", valueName: "file"))
  var certificate: String?

  @Option(help: ArgumentHelp("The key of that certificate, PEM.", valueName: "file"))
  var key: String?

  @Option(help: ArgumentHelp("How long one answer of the server may take.", valueName: "time"), transform: TimeSpan.parse)
  var timeout = TimeSpan(seconds: 60)

  @Flag(help: "Say on standard error what is asked of the server, and what it answers.")
  var verbose = false

  @Flag(help: ArgumentHelp("The same.", visibility: .hidden))
  var debug = false

  func validate() throws {
    if (certificate == nil) != (key == nil) { throw ValidationError("--certificate and --key go together") }
    if local, server != nil { throw ValidationError("--local and --server exclude each other") }
  }

  /// The server that is meant. With `--local`, starts it if it does not run.
  func session() async throws -> Session {
    if local {
      var session = try await LocalServer.standard().session(timeout: timeout.duration)
      session.workspace = workspace ?? Session.defaultWorkspace
      session.isVerbose = verbose || debug
      return session
    }
    let environment = ProcessInfo.processInfo.environment
    return try session(
      profile: try Profile.read(from: Profile.path(in: environment)), environment: environment)
  }

  /// The same from what was kept and what the environment says.
  ///
  /// - Throws: `UsageError`, also for a variable that is set and empty, as a pipeline's is that has not got its secret: what
  ///   was kept for somebody else must not take its place.
  func session(profile kept: Profile, environment: [String: String]) throws(UsageError) -> Session {
    for name in ["APUS_TOKEN", "APUS_SERVER"] where environment[name] == "" && (name == "APUS_TOKEN" || server == nil) {
      throw UsageError("\(name) is set, but empty: give it a value, or unset it to use what 'apus login' has kept")
    }
    var profile = kept.overridden(by: environment)
    if let server, server != profile.server {
      var other = Profile()
      other.defaults = profile.defaults
      // A token in the environment is meant for the server that is named beside it.
      if environment["APUS_TOKEN"] != nil { other.token = profile.token }
      other.server = server
      profile = other
    }
    guard let address = profile.server else {
      throw UsageError(
        "no server: log in with 'apus login --server URL', give --server, set APUS_SERVER to its URL, or use --local")
    }
    let source = server != nil ? "--server" : address == environment["APUS_SERVER"] ? "APUS_SERVER" : "the profile's server"
    return Session(
      address: try ServerAddress(address, from: source),
      workspace: workspace ?? profile.defaults?["workspace"] ?? Session.defaultWorkspace, token: profile.token,
      ca: ca ?? profile.ca, certificate: certificate ?? profile.certificate,
      key: key ?? profile.key, timeout: timeout.duration,
      defaultEndpoint: profile.defaults?["endpoint"],
      isVerbose: verbose || debug)
  }
}
