internal import ArgumentParser

/// What a shell offers when a name is to be typed: what the server has.
enum NameCompletion {
  static var endpoints: CompletionKind { .shellCommand(command("endpoint", "[].name")) }
  static var models: CompletionKind { .shellCommand(command("model", "[].name")) }
  static var environments: CompletionKind { .shellCommand(command("environment", "[].name")) }

  private static func command(_ group: String, _ query: String) -> String {
    "apus \(group) list --timeout 2s --query '\(query)' -o tsv --only-show-errors 2>/dev/null"
  }
}
