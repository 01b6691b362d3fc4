internal import ArgumentParser
internal import Documents
internal import Resources

/// The endpoint that a verb is about, by `-n` as for az.
struct EndpointName: ParsableArguments {
  @Option(
    name: [.customShort("n"), .long],
    help: ArgumentHelp("The endpoint. (default: the profile's)", valueName: "name"), completion: NameCompletion.endpoints)
  var name: String?

  func resolved(in session: Session) throws(UsageError) -> String {
    guard let name = name ?? session.defaultEndpoint else {
      throw UsageError("give the endpoint with --name, or once with 'apus configure --defaults endpoint=NAME'")
    }
    return name
  }
}

extension ServedResource where Value == OnlineEndpoint {
  /// An endpoint of a list knows its own name.
  static func endpoint(_ rest: Document, named name: String? = nil) throws -> ServedResource<OnlineEndpoint> {
    try ServedResource(rest, names: [name ?? rest["name"]?.string ?? ""])
  }

  static func shownEndpoint(_ rest: Document, named name: String? = nil) -> Document {
    shown(rest, names: [name ?? rest["name"]?.string ?? ""])
  }

  static var columns: [TableColumn] {
    [
      TableColumn("name", "name"), TableColumn("auth", "auth_mode"), TableColumn("state", "provisioning_state"),
      TableColumn("traffic", "traffic"), TableColumn("mirror", "mirror_traffic"), TableColumn("scoring uri", "scoring_uri"),
    ]
  }
}
