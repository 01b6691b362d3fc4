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
      await look()
      looks += 1
      if looks % ControlPlane.looksBetweenCollections == 0 { collectGarbage() }
    }
  }

  /// One look at everything that changes by itself.
  package func look() async {
    let now = monotonic()
    reconciler.probe(at: now)
    await writeUnwritten()
    await tickRollouts(at: now)
    await tickScaling(at: now)
    await tickIdle(at: now)
  }

  /// An hour.
  private static let looksBetweenCollections = 3600
}
