internal import ArgumentParser
internal import Documents
internal import Foundation
internal import Resources

/// The YAML file that a resource is described in.
struct FileOptions: ParsableArguments {
  @Option(
    name: [.customShort("f"), .long],
    help: ArgumentHelp("The resource in YAML, as for az ml; - is standard input.", valueName: "yaml"))
  var file: String?

  /// Where a relative path in the file begins.
  var folder: String {
    let current = FileManager.default.currentDirectoryPath
    guard let file, file != "-" else { return current }
    let path = file.hasPrefix("/") ? file : current + "/" + file
    return URL(fileURLWithPath: path).standardizedFileURL.deletingLastPathComponent().path
  }

  /// What the file says; an empty object if there is none.
  func read() throws -> SourceDocument {
    guard let file else { return SourceDocument(.object(.init())) }
    let name = file == "-" ? "standard input" : file
    let content = file == "-" ? FileHandle.standardInput.readDataToEndOfFile() : FileManager.default.contents(atPath: file)
    guard let content else { throw UsageError("--file: can't read \(file)") }
    do {
      let source = try SourceDocument(yaml: Array(content))
      guard source.root.object != nil else {
        throw UsageError("\(name): expected keys and values, found \(source.root.kind)")
      }
      return source
    } catch let error as DocumentError { throw UsageError("\(name): \(error)") }
  }
}

/// Changes by path to what a file or the server says: the generic update arguments of az.
struct EditOptions: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Set values by path: --set tags.team=risk traffic.blue=90. JSON is read as such.", valueName: "path=value"))
  var set: [String] = []

  @Option(
    help: ArgumentHelp("Add to a list: --add PATH VALUE…, or KEY=VALUE pairs that make an object.", valueName: "path values"))
  var add: [String] = []

  @Option(help: ArgumentHelp("Remove by path: --remove tags.team, or an element: --remove LIST INDEX.", valueName: "path"))
  var remove: [String] = []

  @Flag(help: "Values of --set and --add are strings, whatever they look like.")
  var forceString = false

  var isEmpty: Bool { self.set.isEmpty && add.isEmpty && remove.isEmpty }

  /// Applies --set, then --add, then --remove.
  func apply(to source: inout SourceDocument) throws(UsageError) {
    do throws(DocumentError) {
      for argument in set { try source.apply(try DocumentEdit(set: argument, forceString: forceString), addsParents: true) }
      for argument in add {
        try source.apply(try DocumentEdit(add: EditOptions.words(of: argument), forceString: forceString), addsParents: true)
      }
      for argument in remove { try source.apply(try DocumentEdit(remove: EditOptions.words(of: argument))) }
    } catch { throw UsageError("\(error)") }
  }

  // MARK: Words that belong together

  /// Stands between the words of one `--add`, which the parser would mix with those of the next. Source: ASCII's unit
  /// separator, which nobody types.
  private static let separator: Character = "\u{1F}"

  private static func words(of argument: String) -> [String] { argument.split(separator: separator).map(String.init) }

  /// The command line with each `--add` and `--remove` and the words after it as one.
  static func joined(_ arguments: [String]) -> [String] {
    var joined: [String] = []
    var index = arguments.startIndex
    while index < arguments.endIndex {
      let argument = arguments[index]
      joined.append(argument)
      index += 1
      guard argument == "--add" || argument == "--remove" else { continue }
      var words: [String] = []
      while index < arguments.endIndex, !arguments[index].hasPrefix("-") {
        words.append(arguments[index])
        index += 1
      }
      if !words.isEmpty { joined.append(words.joined(separator: String(separator))) }
    }
    return joined
  }
}

/// What is wrong with a resource, or worth a word, as messages on standard error.
enum Findings {
  /// The resource that a description gives. Warnings are said, unless nobody wants them.
  static func resource<Value: Resource>(
    _ type: Value.Type, from source: SourceDocument, folder: String, file: String?, isQuiet: Bool
  ) throws -> Value {
    let reading = type.read(source, folder: folder)
    let place = file.map { $0 == "-" ? "standard input: " : "\($0): " } ?? ""
    if !isQuiet { for warning in reading.warnings { ExitStatus.say("warning: \(place)\(warning)") } }
    do {
      return try reading.get()
    } catch {
      throw UsageError(error.errors.map { "\(place)\($0)" }.joined(separator: "\n      "))
    }
  }
}
