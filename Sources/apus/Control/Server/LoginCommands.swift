internal import ArgumentParser
internal import Documents
internal import Foundation

/// Remembers a server and who one is there.
struct LoginCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "login",
    abstract: "Remember a server and who you are there.",
    discussion: """
      A secret comes from 'apus init', 'apus principal create' or 'apus principal rotate-secret'. One that is good for \
      one login only, such as that of the first administrator, is exchanged for a lasting one. A token comes from an \
      issuer that the server trusts. Without either, a terminal asks for a secret; a server that knows one by one's \
      certificate needs neither.

      What is kept is in $XDG_CONFIG_HOME/apus/config.json (else ~/.config/apus/config.json), which only its owner can \
      read. Where nothing may be kept, as in a pipeline, set APUS_SERVER and APUS_TOKEN (a secret or a token), and \
      APUS_WORKSPACE if need be: they override what is kept, and no login is needed.

      EXAMPLES:
        apus login --server https://inference.example:8443 --secret-file first.secret
        echo "$SECRET" | apus login --server https://inference.example:8443 --secret -
        apus login --server unix:/run/apus/control.sock
      """)

  @Option(help: ArgumentHelp("http://HOST:PORT, https://HOST:PORT or unix:PATH.", valueName: "url"))
  var server: String

  @Option(help: ArgumentHelp("The secret; - reads it from standard input, so that no process list has it.", valueName: "secret"))
  var secret: String?

  @Option(help: ArgumentHelp("A file that begins with the secret.", valueName: "file"))
  var secretFile: String?

  @Option(help: ArgumentHelp("A token of an issuer that the server trusts; - reads it from standard input.", valueName: "token"))
  var token: String?

  @Option(name: [.customShort("w"), .customLong("workspace-name"), .customLong("workspace")],
    help: ArgumentHelp("The workspace to use by default.", valueName: "name"))
  var workspace: String?

  @Option(help: ArgumentHelp("Roots that the server's certificate must come from, PEM.", valueName: "file"))
  var ca: String?

  @Option(help: ArgumentHelp("The client's own certificate, PEM.", valueName: "file"))
  var certificate: String?

  @Option(help: ArgumentHelp("The key of that certificate, PEM.", valueName: "file"))
  var key: String?

  func validate() throws {
    if [secret, secretFile, token].count(where: { $0 != nil }) > 1 {
      throw ValidationError("--secret, --secret-file and --token exclude each other")
    }
    if (certificate == nil) != (key == nil) { throw ValidationError("--certificate and --key go together") }
  }

  func run() async throws {
    try await ExitStatus.report {
      let environment = ProcessInfo.processInfo.environment
      let path = Profile.path(in: environment)
      var profile = Profile()
      profile.defaults = try Profile.read(from: path).defaults
      if let workspace { profile.defaults = (profile.defaults ?? [:]).merging(["workspace": workspace]) { $1 } }
      profile.server = try ServerAddress(server, from: "--server").description
      profile.ca = LoginCommand.absolute(ca)
      profile.certificate = LoginCommand.absolute(certificate)
      profile.key = LoginCommand.absolute(key)
      let session = Session(
        address: try ServerAddress(server, from: "--server"),
        workspace: profile.defaults?["workspace"] ?? Session.defaultWorkspace, ca: profile.ca,
        certificate: profile.certificate, key: profile.key, timeout: .seconds(60))
      profile.token = try await credential(for: session)
      try profile.write(to: path)
      ExitStatus.say("logged in at \(session.address)")
    }
  }

  /// What requests are to show, and nil for a server that asks for nothing.
  private func credential(for session: Session) async throws -> String? {
    if let token { return try LoginCommand.value(token, of: "--token") }
    var given: String?
    if let secret { given = try LoginCommand.value(secret, of: "--secret") }
    if let secretFile {
      guard let content = FileManager.default.contents(atPath: secretFile) else {
        throw UsageError("--secret-file: can't read \(secretFile)")
      }
      given = String(decoding: content, as: UTF8.self).split(whereSeparator: \.isWhitespace).first.map(String.init)
      if given == nil { throw UsageError("--secret-file: \(secretFile) is empty") }
    }
    if given == nil, certificate == nil, Terminal.isInteractive, case .url = session.address {
      given = Terminal.secret("Secret: ").flatMap { $0.isEmpty ? nil : $0 }
    }
    return try await ControlClient.with(session) { client in
      if let given { return try await client.logIn(given) }
      // Whether the server lets one in without: a socket of one's own, or a certificate.
      _ = try await client.send(.get, ResourcePath.endpoints)
      return nil
    }
  }

  private static func value(_ text: String, of option: String) throws(UsageError) -> String {
    guard text == "-" else { return text }
    guard let line = readLine(), !line.isEmpty else { throw UsageError("\(option): standard input is empty") }
    return line
  }

  private static func absolute(_ path: String?) -> String? {
    path.map { $0.hasPrefix("/") ? $0 : FileManager.default.currentDirectoryPath + "/" + $0 }
  }
}

/// Forgets the server and who one was there; defaults stay.
struct LogoutCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logout", abstract: "Forget the server and who you were there.")

  func run() throws {
    try ExitStatus.report {
      let path = Profile.path(in: ProcessInfo.processInfo.environment)
      var profile = Profile()
      profile.defaults = try Profile.read(from: path).defaults
      try profile.write(to: path)
    }
  }
}

/// Remembers what is meant where nothing is said.
struct ConfigureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "configure", abstract: "Remember defaults, or show what is remembered.",
    discussion: """
      An empty value forgets a default. Without --defaults, the server and the defaults are printed; secrets never are.

      EXAMPLES:
        apus configure --defaults workspace=risk endpoint=churn output=table
        apus configure --defaults endpoint=
      """)

  @Option(
    name: [.customShort("d"), .long], parsing: .upToNextOption,
    help: ArgumentHelp("workspace, endpoint and output.", valueName: "name=value"))
  var defaults: [String] = []

  @OptionGroup var output: OutputOptions

  func run() throws {
    try ExitStatus.report {
      let path = Profile.path(in: ProcessInfo.processInfo.environment)
      var profile = try Profile.read(from: path)
      if defaults.isEmpty { return try output.show(ConfigureCommand.shown(profile)) }
      var kept = profile.defaults ?? [:]
      for argument in defaults {
        let sides = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard sides.count == 2, Profile.defaultNames.contains(sides[0]) else {
          throw UsageError("--defaults: expected workspace=…, endpoint=… or output=…, found '\(argument)'")
        }
        if sides[0] == "output", !sides[1].isEmpty, OutputForm(rawValue: sides[1]) == nil {
          let forms = OutputForm.allCases.map(\.rawValue).joined(separator: ", ")
          throw UsageError("--defaults: output is '\(sides[1])'; expected one of \(forms)")
        }
        kept[sides[0]] = sides[1].isEmpty ? nil : sides[1]
      }
      profile.defaults = kept
      try profile.write(to: path)
    }
  }

  private static func shown(_ profile: Profile) -> Document {
    var shown: Document.Object = [:]
    shown["server"] = profile.server.map { .string($0) } ?? .null
    shown["logged_in"] = .bool(profile.token != nil)
    for name in Profile.defaultNames { shown[name] = profile.defaults?[name].map { .string($0) } ?? .null }
    return .object(shown)
  }
}
