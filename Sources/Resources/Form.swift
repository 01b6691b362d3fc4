/// Which of the two spellings a document has.
package enum Form: Hashable, Sendable {
  /// The files of the `az ml` command line, version 2: `snake_case`, flat, times as whole seconds or milliseconds.
  case cli
  /// Azure Resource Manager's JSON: `camelCase`, most of it under `properties`, times as ISO 8601 durations.
  case rest
}

/// A closed set of words that has a spelling in each form.
package protocol Spelled: CaseIterable, Hashable, Sendable, RawRepresentable<String> {
  /// The word in the REST form; by default `AppendRow` for `append_row`.
  var rest: String { get }
}

extension Spelled {
  package var rest: String {
    rawValue.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }

  package func spelling(in form: Form) -> String { form == .cli ? rawValue : rest }

  /// The word that a text is in either form. Case and underscores make no difference, as they make none to the Azure
  /// SDK.
  package init?(tolerant text: String) {
    let folded = Self.fold(text)
    guard let match = Self.allCases.first(where: { Self.fold($0.rawValue) == folded }) else { return nil }
    self = match
  }

  private static func fold(_ text: String) -> String { text.lowercased().filter { $0 != "_" && $0 != "-" } }
}

extension AuthMode: Spelled {
  package var rest: String {
    switch self {
    case .key: "Key"
    case .amlToken: "AMLToken"
    case .aadToken: "AADToken"
    }
  }
}
extension NetworkAccess: Spelled {}
extension ProvisioningState: Spelled {}
extension Identity.Kind: Spelled {}
extension OnlineDeployment.Kind: Spelled {}
extension DataCollector.RollingRate: Spelled {}
extension EnvironmentVersion.OperatingSystem: Spelled {}
extension ModelVersion.Kind: Spelled {
  /// Here the REST form has the words of the files.
  package var rest: String { rawValue }
}
extension AutoscaleSettings.Recurrence.Day: Spelled {}
extension AutoscaleSettings.MetricTrigger.Scope: Spelled {}
extension AutoscaleSettings.MetricTrigger.Statistic: Spelled {}
extension AutoscaleSettings.MetricTrigger.Aggregation: Spelled {}
extension AutoscaleSettings.MetricTrigger.Comparison: Spelled {}
extension AutoscaleSettings.ScaleAction.Direction: Spelled {}

/// `request_settings` as `requestSettings`.
internal func camelCase(_ key: String) -> String {
  let words = key.split(separator: "_")
  return words.enumerated().map { $0 == 0 ? String($1) : $1.prefix(1).uppercased() + $1.dropFirst() }.joined()
}
