internal import ArgumentParser

/// The asset that a verb is about.
struct AssetName: ParsableArguments {
  @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Its name.", valueName: "name"))
  var name: String

  @Option(name: [.customShort("v"), .long], help: ArgumentHelp("Its version.", valueName: "version"))
  var version: String?
}

/// The same with the label that az has.
struct LabelledAssetName: ParsableArguments {
  @OptionGroup var asset: AssetName

  @Option(name: [.customShort("l"), .long], help: ArgumentHelp("latest, in place of a version; that is the default.", valueName: "label"))
  var label: String?

  func validate() throws {
    if let label, label != "latest" { throw ValidationError("--label: expected latest, found '\(label)'") }
    if label != nil, asset.version != nil { throw ValidationError("--label and --version exclude each other") }
  }
}
