package import Inference
internal import Telemetry
internal import Threads

/// What the repository looked like at one time: everything whose change means that a model must be loaded again.
///
/// A value. `changes(from:)` is the plan: which models to load and which to unload.
package struct RepositoryImage: Sendable, Hashable {
  /// Stamps of all files of each model, by path; a model that can't be read has none.
  package var models: [String: [String: FileStamp]]

  package init(models: [String: [String: FileStamp]] = [:]) { self.models = models }

  package struct Changes: Sendable, Hashable {
    /// New or changed, sorted.
    package var load: [String]
    /// Gone, sorted.
    package var unload: [String]

    package init(load: [String], unload: [String]) {
      self.load = load
      self.unload = unload
    }
  }

  package func changes(from earlier: RepositoryImage) -> Changes {
    Changes(
      load: models.filter { earlier.models[$0.key] != $0.value }.keys.sorted(),
      unload: earlier.models.keys.filter { models[$0] == nil }.sorted())
  }
}

extension ModelRepository {
  /// - Throws: `.invalidArgument` if a repository itself can't be read; what it held is then not known to be gone.
  func image() throws(InferenceError) -> RepositoryImage {
    var image = RepositoryImage()
    for name in try modelNames() {
      var stamps: [String: FileStamp] = [:]
      for path in paths { collectStamps("\(path)/\(name)", depth: 0, into: &stamps) }
      image.models[name] = stamps
    }
    return image
  }

  /// Deep enough for weights beside a model file; a link that leads upwards ends there too.
  private static let mostDepth = 8

  private func collectStamps(_ path: String, depth: Int, into stamps: inout [String: FileStamp]) {
    guard depth < ModelRepository.mostDepth, let kind = (try? Files.kind(path)) ?? nil else { return }
    if kind == .directory {
      for name in (try? Files.names(in: path)) ?? [] {
        collectStamps("\(path)/\(name)", depth: depth + 1, into: &stamps)
      }
    } else if let stamp = (try? Files.stamp(path)) ?? nil {
      stamps[path] = stamp
    }
  }
}

/// Triton's control mode `poll`: what changes in the repository changes on the server.
extension ModelLifecycle {
  /// Looks through the repositories once and brings the server in line with them, as far as they changed since the last
  /// look. Returns when that is done; a failed load is in the log and the index.
  package func poll() async throws(InferenceError) {
    let image = try repository.image()
    let changes = state.withLock { state in
      let changes = image.changes(from: state.image)
      state.image = image
      return changes
    }
    await withTaskGroup(of: Void.self) { group in
      for name in changes.load { group.addTask { _ = await self.loadOutcome(name) } }
      for name in changes.unload {
        group.addTask {
          await withCheckedContinuation { continuation in
            self.enqueueUnload(name) { _ in continuation.resume() }
          }
        }
      }
    }
  }

  /// Polls every `pollInterval` until the task is cancelled. Without an interval it returns at once.
  ///
  /// - Parameter sleep: Waits for so long; throws when the task is cancelled.
  package func pollRepeatedly(
    sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  ) async {
    guard let interval = options.pollInterval else { return }
    while true {
      do { try await sleep(interval) } catch { return }
      do throws(InferenceError) { try await poll() } catch {
        log.error("the model repository can't be read", ["error": error.message])
      }
    }
  }
}
