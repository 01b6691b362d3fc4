internal import ArgumentParser
internal import Documents
internal import Foundation
internal import Resources

/// Sends a request to an endpoint as its callers do, and prints the answer.
struct InvokeEndpoint: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "invoke", abstract: "Send a request to an endpoint and print the answer.",
    discussion: """
      The answer's body is printed as it came. With --output or --query it is taken as JSON, or else as a string.

      The key or token is fetched, which takes the right to do so; without it, put one into APUS_ENDPOINT_KEY. The \
      exit status is 1 when the endpoint answers with an error, whose text is on standard error.

      EXAMPLES:
        apus endpoint invoke -n churn --request-file row.json
        apus endpoint invoke -n churn -d green -r row.json --query 'predictions[0]'
      """)

  @OptionGroup var endpoint: EndpointName

  @Option(
    name: [.customShort("r"), .long], help: ArgumentHelp("The request's body; - is standard input.", valueName: "file"))
  var requestFile: String

  @Option(name: [.customShort("d"), .long], help: ArgumentHelp("This deployment, whatever the traffic says.", valueName: "name"))
  var deploymentName: String?

  @Option(help: ArgumentHelp("What the body is.", valueName: "type"))
  var contentType = "application/json"

  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      let content =
        requestFile == "-"
        ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: requestFile)
      guard let content else { throw UsageError("--request-file: can't read \(requestFile)") }
      let session = try await server.session()
      let name = try endpoint.resolved(in: session)
      try await ControlClient.with(session) { client in
        let target = try await target(name, client)
        var headers = ["content-type": contentType]
        if let credential = target.credential { headers["authorization"] = "Bearer \(credential)" }
        if let deploymentName { headers["azureml-model-deployment"] = deploymentName }
        let answer = try await client.post(target.address, bytes: Array(content), headers: headers)
        if session.isVerbose {
          for header in answer.headers { ExitStatus.say("\(header.name): \(header.value)") }
        }
        guard answer.status < 300 else { throw refusal(of: answer, name) }
        try show(answer)
      }
    }
  }

  private struct Target {
    let address: String
    let credential: String?
  }

  /// Where the endpoint answers, and what it wants to be shown.
  private func target(_ name: String, _ client: ControlClient) async throws -> Target {
    let path = ResourcePath.endpoint(name)
    let answer = try await client.send(.get, path).body
    let endpoint = try ServedResource.endpoint(answer, named: name)
    guard let address = answer["properties"]?["scoringUri"]?.string, !address.isEmpty else {
      throw ControlError(status: 0, code: "NotReady", message: "endpoint \(name) has no scoring address yet")
    }
    if client.session.isLocal { return Target(address: address, credential: nil) }
    if let key = ProcessInfo.processInfo.environment["APUS_ENDPOINT_KEY"] { return Target(address: address, credential: key) }
    do {
      switch endpoint.value.authMode {
      case .key:
        return Target(address: address, credential: try await client.send(.post, "\(path)/listKeys").body["primaryKey"]?.string)
      case .amlToken:
        return Target(address: address, credential: try await client.send(.post, "\(path)/token").body["accessToken"]?.string)
      case .aadToken: return Target(address: address, credential: client.session.token)
      }
    } catch let error as ControlError where error.status == 403 {
      throw ControlError(
        status: 403, code: error.code,
        message: "\(error.message); put the endpoint's key or a token into APUS_ENDPOINT_KEY instead", details: error.details)
    }
  }

  private func show(_ answer: ControlResponse) throws {
    guard output.output != nil || output.query != nil else {
      FileHandle.standardOutput.write(Data(answer.bytes))
      // A shell's prompt begins on a line of its own.
      if isatty(STDOUT_FILENO) == 1, answer.bytes.last != UInt8(ascii: "\n") { print() }
      return
    }
    let text = String(decoding: answer.bytes, as: UTF8.self)
    try output.show((try? Document(json: answer.bytes)) ?? .string(text))
  }

  private func refusal(of answer: ControlResponse, _ name: String) -> ControlError {
    let text = String(decoding: answer.bytes.prefix(4000), as: UTF8.self)
    let error = ControlError(status: answer.status, body: answer.body, text: text)
    var message = "endpoint \(name) answered \(answer.status): \(error.message)"
    if let model = answer.header("ms-azureml-model-error-statuscode") { message += " (the model's own status: \(model))" }
    return ControlError(status: 0, code: error.code, message: message, details: error.details)
  }
}
