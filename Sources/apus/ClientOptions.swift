internal import ApusClient
internal import ArgumentParser
internal import Foundation

/// Which server a command talks to, and how.
struct ClientOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The server: HOST:PORT or unix:PATH. (default: APUS_SERVER, else 127.0.0.1:8001)", valueName: "address"))
  var server: String?

  @Flag(help: "Use TLS; --ca and --certificate imply it.")
  var tls = false

  @Option(help: ArgumentHelp("Roots that the server's certificate must come from, PEM.", valueName: "file"))
  var ca: String?

  @Option(help: ArgumentHelp("The client's own certificate, PEM.", valueName: "file"))
  var certificate: String?

  @Option(help: ArgumentHelp("The key of that certificate, PEM.", valueName: "file"))
  var key: String?

  @Option(
    help: ArgumentHelp("How long the answer may take.", valueName: "time"),
    transform: TimeSpan.parse)
  var timeout = TimeSpan(seconds: 60)

  func validate() throws {
    if (certificate == nil) != (key == nil) { throw ValidationError("--certificate and --key go together") }
  }

  /// The server's, as it was given.
  var address: String {
    // It may also name the control plane of the other commands, which is HTTP.
    let named = ProcessInfo.processInfo.environment["APUS_SERVER"].flatMap { $0.contains("://") ? nil : $0 }
    return server ?? named ?? "127.0.0.1:8001"
  }

  var usesTLS: Bool { tls || ca != nil || certificate != nil }

  /// - Throws: `UsageError` for an address or a file that can't be used. Nothing is connected yet.
  func makeClient() throws(UsageError) -> InferenceClient {
    var options = InferenceClient.Options()
    options.timeout = timeout.duration
    if usesTLS {
      var tls = TLSOptions()
      tls.caFile = ca ?? ""
      tls.certificateFile = certificate ?? ""
      tls.keyFile = key ?? ""
      options.tls = tls
    }
    do throws(ClientError) {
      return try InferenceClient(address, options: options)
    } catch {
      throw UsageError(error.message)
    }
  }
}
