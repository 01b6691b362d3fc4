internal import ArgumentParser

/// The deployment that a verb is about, and its endpoint.
struct DeploymentName: ParsableArguments {
  @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The deployment.", valueName: "name"))
  var name: String

  @OptionGroup var endpoint: EndpointOption
}
