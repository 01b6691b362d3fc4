internal import ArgumentParser
internal import Documents
internal import Resources

/// Makes a deployment that is not there yet, with what it needs: a model and an environment that the file nests are
/// uploaded and registered first.
struct CreateDeployment: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Create a deployment.",
    discussion: """
      Waits until the deployment has shown itself ready. Fails if it is there already; with --exist-ok it is left as it \
      is and printed, once nothing is under way with it, and the exit status is 1 unless its state is Succeeded; only \
      --all-traffic moves traffic to it then, too. A model or environment that the file nests is uploaded and registered \
      under a name made of its contents, so that the same contents are kept once; and only after the server has looked at \
      the rest, so that nothing is sent for a deployment that there is no room for.

      EXAMPLES:
        apus deployment create -f blue.yml --all-traffic
        apus deployment create -f blue.yml -n green --set instance_count=2
      """)

  @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Its name; overrides the file's.", valueName: "name"))
  var name: String?

  @OptionGroup var endpoint: EndpointOption

  @Flag(help: "Give it all of the endpoint's traffic once it is ready.")
  var allTraffic = false

  @Flag(help: "Leave a deployment that is there as it is.")
  var existOk = false

  @OptionGroup var foreign: ForeignOptions
  @OptionGroup var file: FileOptions
  @OptionGroup var edits: EditOptions
  @OptionGroup var wait: WaitOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func validate() throws {
    if allTraffic, wait.noWait { throw ValidationError("--all-traffic waits until the deployment is ready: leave out --no-wait") }
  }

  func run() async throws {
    try await ExitStatus.report {
      if !output.onlyShowErrors { foreign.warn() }
      var source = try file.read()
      let session = try await server.session()
      if let name { try source.apply(.set(DocumentPath([.key("name")]), .string(name))) }
      if let given = endpoint.endpointName ?? (source.root["endpoint_name"] == nil ? session.defaultEndpoint : nil) {
        try source.apply(.set(DocumentPath([.key("endpoint_name")]), .string(given)))
      }
      try edits.apply(to: &source)
      let described = try Findings.resource(
        OnlineDeployment.self, from: source, folder: file.folder, file: file.file, isQuiet: output.onlyShowErrors)
      try await ControlClient.with(session) { client in try await create(described, client) }
    }
  }

  private func create(_ described: OnlineDeployment, _ client: ControlClient) async throws {
    let names = [described.endpointName, described.name]
    let path = ResourcePath.deployment(described.name, of: described.endpointName)
    let operation = LongOperation(
      client: client, subject: "deployment \(described.name)", noWait: wait.noWait, isQuiet: output.onlyShowErrors)
    if let present = try await client.find(path) {
      guard existOk else {
        throw ControlError(
          status: 409, code: "AlreadyExists",
          message: "deployment \(described.name) of \(described.endpointName) is there already; change it with update, or say --exist-ok")
      }
      let settled = try await operation.settled(present, at: path)
      if allTraffic { try await giveAllTraffic(to: described, client) }
      return try output.show(
        ServedResource<OnlineDeployment>.shown(settled.body, names: names),
        columns: ServedResource<OnlineDeployment>.columns)
    }
    let assets = NestedAssets(client: client, isQuiet: output.onlyShowErrors)
    let isNew = ["if-none-match": "*"]
    let deployment = try await assets.registered(described, headers: isNew)
    let answer = try await operation.run(.put, path, body: deployment.rest(), headers: isNew)
    if allTraffic { try await giveAllTraffic(to: deployment, client) }
    let shown = wait.noWait ? answer.body : try await client.send(.get, path).body
    if shown == .null { return }
    try output.show(
      ServedResource<OnlineDeployment>.shown(shown, names: names),
      columns: ServedResource<OnlineDeployment>.columns)
  }

  private func giveAllTraffic(to deployment: OnlineDeployment, _ client: ControlClient) async throws {
    let path = ResourcePath.endpoint(deployment.endpointName)
    let present = try await client.send(.get, path)
    var endpoint = try ServedResource.endpoint(present.body, named: deployment.endpointName).value
    endpoint.traffic = [deployment.name: 100]
    let operation = LongOperation(
      client: client, subject: "traffic of \(deployment.endpointName)", noWait: false, isQuiet: output.onlyShowErrors)
    try await operation.run(.put, path, body: endpoint.rest(), headers: present.unchangedSince)
  }
}

/// Options of az that scripts may have and that do nothing here, each with the reason.
struct ForeignOptions: ParsableArguments {
  @OptionGroup var browser: WebOption

  @Flag(help: "Taken with a warning: the server checks a script when it loads it.")
  var skipScriptValidation = false

  @Flag(help: "Taken with a warning: there are no images to build a package into.")
  var packageModel = false

  @Flag(help: "Taken with a warning: there is no container to attach a debugger to.")
  var vscodeDebug = false

  @Flag(help: "Taken with a warning: a server uses GPUs if it was started to.")
  var localEnableGpu = false

  func warn() {
    browser.warn()
    if skipScriptValidation {
      ExitStatus.say("warning: --skip-script-validation has no effect: a script is checked by the server, when it is loaded")
    }
    if packageModel {
      ExitStatus.say("warning: --package-model has no effect: nothing is built into images, a deployment runs the model's files")
    }
    if vscodeDebug {
      ExitStatus.say("warning: --vscode-debug has no effect: there is no container to attach a debugger to")
    }
    if localEnableGpu {
      ExitStatus.say("warning: --local-enable-gpu has no effect: 'apus serve --execution-provider cuda' makes a server use GPUs")
    }
  }
}

/// The one of them that endpoints have too.
struct WebOption: ParsableArguments {
  @Flag(help: "Taken with a warning: there is no page to open.")
  var web = false

  func warn() {
    if web { ExitStatus.say("warning: --web has no effect: there is no studio whose page could be opened") }
  }
}
