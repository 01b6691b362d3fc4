/// What an operator decides about the model repository.
package struct ControlOptions: Sendable {
  package enum LoadAtStart: Sendable, Hashable {
    case all
    case named([String])
    case none
  }

  /// Directories of models; at least one.
  package var repositories: [String]
  package var loadAtStart = LoadAtStart.all
  /// Whether clients may load and unload models at run time. False is Triton's control mode `none`.
  package var allowsModelControl = true
  /// How often the repositories are looked through for changes; nil: never. Triton's control mode `poll`.
  package var pollInterval: Duration?
  /// Most models that load at the same time; at least 1.
  package var maxParallelLoads = 4
  /// Most loads and unloads by clients that wait for their turn. One past it is refused, not delayed.
  package var maxWaitingOperations = 256

  package init(repositories: [String]) { self.repositories = repositories }
}
