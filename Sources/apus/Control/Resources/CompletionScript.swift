internal import ArgumentParser

/// What a shell completes by: ArgumentParser's script, with the aliases of commands, which it leaves out.
enum CompletionScript {
  /// The command of each alias.
  private static let commands = [("online-endpoint", "endpoint"), ("online-deployment", "deployment")]

  /// The script that a command line asks for; nil if it asks for none, or for that of a shell that is not known.
  static func asked(by arguments: [String]) -> String? {
    let option = "--generate-completion-script"
    var shell: CompletionShell?
    if arguments.count == 2, arguments[0] == option { shell = CompletionShell(rawValue: arguments[1]) }
    if arguments.count == 1, arguments[0] == option { shell = CompletionShell.autodetected() }
    if arguments.count == 1, arguments[0].hasPrefix(option + "=") {
      shell = CompletionShell(rawValue: String(arguments[0].dropFirst(option.count + 1)))
    }
    guard let shell else { return nil }
    var script = Apus.completionScript(for: shell)
    for (alias, command) in commands {
      for (place, text) in changes(for: alias, of: command, shell) {
        script = script.replacing(place, with: text, maxReplacements: shell == .fish ? .max : 1)
      }
    }
    return script
  }

  /// Where the script is changed for an alias, and what stands there then.
  private static func changes(for alias: String, of command: String, _ shell: CompletionShell) -> [(String, String)] {
    let function = "\n_apus_\(command)() {\n"
    let called = [
      ("|\(command)|", "|\(command)|\(alias)|"),
      (function, "\n_apus_\(alias)() {\n    _apus_\(command)\n}\n\(function)"),
    ]
    switch shell {
    case .bash: return called + [(" \(command) ", " \(command) \(alias) ")]
    case .zsh:
      let offer = "            '\(command):"
      return called + [(offer, "            '\(alias):The same as \(command).'\n\(offer)")]
    default:
      let offer = "complete -c 'apus' -n '__apus_should_offer_completions_for_positional \"apus\" -eq 1' -fa '"
      let test = "    test \"$commands\" = \"$expected_commands\""
      return [
        ("        case '\(command)'\n", "        case '\(command)' '\(alias)'\n"),
        // The offers are kept by the command's own name.
        (test, "    set commands (string replace 'apus \(alias)' 'apus \(command)' -- \"$commands\")\n\(test)"),
        ("\(offer)\(command)'", "\(offer)\(alias)' -d 'The same as \(command).'\n\(offer)\(command)'"),
      ]
    }
  }
}
