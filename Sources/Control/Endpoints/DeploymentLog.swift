internal import Telemetry
internal import Threads

/// The last lines about one deployment: its loads, probes, restarts, and what its backend says. `get-logs` reads it.
///
/// Kept in memory, over updates of the deployment but not over a restart of the server.
package final class DeploymentLog: Sendable {
  /// Lines kept, as many as Azure's `get-logs` shows.
  package static let mostLines = 5000
  /// Longer lines are cut.
  package static let mostLineBytes = 4096

  private struct State {
    var lines: [String] = []
    /// Where the next line goes once all places are taken.
    var oldest = 0
  }

  private let state = Locked(State())

  package init() {}

  package func append(_ line: String) {
    var text = "\(LogLine.Time.now().text) \(line)"
    if text.utf8.count > Self.mostLineBytes { text = String(decoding: text.utf8.prefix(Self.mostLineBytes), as: UTF8.self) + "…" }
    state.withLock { state in
      if state.lines.count < Self.mostLines {
        state.lines.append(text)
      } else {
        state.lines[state.oldest] = text
        state.oldest = (state.oldest + 1) % Self.mostLines
      }
    }
  }

  /// The last `count` lines, oldest first.
  package func tail(_ count: Int) -> [String] {
    state.withLock { state in
      let ordered = state.lines[state.oldest...] + state.lines[..<state.oldest]
      return Array(ordered.suffix(max(0, count)))
    }
  }
}
