internal import ApusServer
internal import ArgumentParser
internal import Foundation

/// Runs the server until it is told to stop.
struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve the models of a repository.",
    discussion: """
      A repository holds a directory for each model, with a directory for each version in it: \
      models/magika/1/model.onnx. A config.pbtxt beside the versions may say more, as for Triton.

      Every option may also stand in a YAML file under the same name, and in the environment as APUS_ and its name in \
      capitals (APUS_LOG_LEVEL). Flags override the environment, and that the file. Times are written 500ms, 10s, 2m \
      or 1h; sizes in bytes or as 64KiB, 64MiB or 2GiB.

      SIGTERM or Ctrl-C stops the server: health says NOT_SERVING, running calls get --drain-grace to finish. A second \
      one ends it at once.

      EXAMPLES:
        apus serve --model-repository models
        apus serve --model-repository models \\
          --listen 127.0.0.1:8001 --listen unix:/run/apus.sock
        apus serve --config apus.yaml --log-format json
        apus serve --model-repository models \\
          --tls-certificate server.pem --tls-key server.key

      apus.yaml:
        model-repository: [/srv/models]
        load-model: [magika]
        max-message-bytes: 64MiB
        drain-grace: 10s
      """)

  @Option(help: ArgumentHelp("YAML file with options by the same names.", valueName: "file"))
  var config: String?

  @OptionGroup var options: ServeOptions

  func run() throws {
    // Before any thread starts, so that all of them leave these signals to us.
    ShutdownSignals.block()
    var configuration = ServerConfiguration()
    try ExitStatus.report { configuration = try resolvedConfiguration() }
    do {
      try runServer(configuration)
    } catch {
      ExitStatus.say("apus: \(ExitStatus.text(of: error))")
      throw ExitStatus.failed
    }
  }

  private func resolvedConfiguration() throws -> ServerConfiguration {
    var sources: [ServeOptions] = []
    if let config {
      guard let text = try? String(contentsOfFile: config, encoding: .utf8) else {
        throw UsageError("can't read the configuration file \(config)")
      }
      sources.append(try ServeOptions.read(yaml: text, file: config))
    }
    sources.append(try ServeOptions.read(environment: ProcessInfo.processInfo.environment))
    sources.append(options)
    let configuration = try ServeOptions.configuration(from: sources)
    try checkRepositories(configuration.modelRepositories)
    return configuration
  }

  /// A mistyped path is told of before any address is bound.
  private func checkRepositories(_ paths: [String]) throws(UsageError) {
    for path in paths {
      var isDirectory: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
        throw UsageError("model repository '\(path)' is not a directory")
      }
    }
  }
}
