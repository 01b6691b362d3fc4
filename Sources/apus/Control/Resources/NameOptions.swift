internal import ArgumentParser

/// The endpoint that a command is about.
struct EndpointOption: ParsableArguments {
  @Option(
    name: [.customShort("e"), .long],
    help: ArgumentHelp("The endpoint. (default: the profile's)", valueName: "name"))
  var endpointName: String?

  func name(in session: Session) throws(UsageError) -> String {
    guard let name = endpointName ?? session.defaultEndpoint else {
      throw UsageError("give the endpoint with --endpoint-name, or once with 'apus configure --defaults endpoint=NAME'")
    }
    return name
  }
}

/// For verbs that take their time.
struct WaitOptions: ParsableArguments {
  @Flag(help: "Do not wait for the end of the operation.")
  var noWait = false
}

/// For verbs that can't be undone.
struct ConfirmationOptions: ParsableArguments {
  @Flag(name: [.customShort("y"), .long], help: "Do not ask.")
  var yes = false

  /// Asks in a terminal; where nobody can be asked, --yes must say it.
  ///
  /// - Returns: Whether to go on.
  func confirm(_ question: String) throws(UsageError) -> Bool {
    if yes { return true }
    guard Terminal.isInteractive else {
      throw UsageError("\(question) Say --yes: there is no terminal to ask at")
    }
    return Terminal.ask("\(question) (y/N) ")
  }
}
