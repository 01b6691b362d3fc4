internal import ArgumentParser
internal import Documents
internal import Foundation

/// In what form, and what of it, a command prints its answer.
struct OutputOptions: ParsableArguments {
  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("json, jsonc (in colours), yaml, table, tsv or none. (default: the profile's, else json)",
      valueName: "form"))
  var output: OutputForm?

  @Option(
    help: ArgumentHelp("What to print of the answer, in JMESPath: '[].name', \"[?traffic.blue > `0`]\".", valueName: "jmespath"),
    transform: CheckedQuery.init)
  var query: CheckedQuery?

  @Flag(help: "Print nothing but the answer and errors.")
  var onlyShowErrors = false

  /// Prints an answer.
  func show(_ answer: Document, columns: [TableColumn]? = nil) throws {
    let form = output ?? OutputOptions.defaultForm
    let asked = try query.map { try $0.query.answer(for: answer) } ?? answer
    if let text = form.text(of: asked, columns: query == nil ? columns : nil) { print(text) }
  }

  /// Whether people look at it, in rows.
  var isTable: Bool { (output ?? OutputOptions.defaultForm) == .table && query == nil }

  /// Says something that a person may want to know and no script needs.
  func say(_ line: String) {
    if !onlyShowErrors { ExitStatus.say(line) }
  }

  private static var defaultForm: OutputForm {
    let environment = ProcessInfo.processInfo.environment
    if let named = environment["APUS_OUTPUT"], let form = OutputForm(rawValue: named) { return form }
    let profile = try? Profile.read(from: Profile.path(in: environment))
    return profile?.defaults?["output"].flatMap { OutputForm(rawValue: $0) } ?? .json
  }
}

/// A query that was read when the command line was: one that is wrong costs no request.
struct CheckedQuery: Sendable {
  let query: Query

  init(_ text: String) throws {
    do { query = try Query(text) } catch { throw ValidationError("\(error)") }
  }
}
