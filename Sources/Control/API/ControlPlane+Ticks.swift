internal import Inference
internal import Telemetry

/// What the control plane does by itself, every second.
extension ControlPlane {
  /// Looks after everything until the task is cancelled: instances that hang, rollouts, scaling, files nobody needs.
  ///
  /// - Parameter sleep: Waits for so long; throws when the task is cancelled.
  package func lookAfter(
    sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  ) async {
    var looks = 0
    while true {
      do { try await sleep(.seconds(1)) } catch { return }
      let now = Instant.now()
      reconciler.probe(at: now)
      await tickRollouts(at: now)
      await tickScaling(at: now)
      looks += 1
      if looks % ControlPlane.looksBetweenCollections == 0 { collectGarbage() }
    }
  }

  /// An hour.
  private static let looksBetweenCollections = 3600
}
