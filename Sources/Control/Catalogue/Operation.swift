internal import Documents
internal import Telemetry

/// A change that takes time, from its acknowledgement to its end, as `…/operations/{id}` shows it.
///
/// Kept in the store: one that a crash interrupts is taken up again, or ends in Failed with the reason.
package struct Operation: Hashable, Sendable {
  package enum Kind: String, Hashable, Sendable {
    case createEndpoint, updateEndpoint, deleteEndpoint, createDeployment, updateDeployment, deleteDeployment
    case regenerateKeys
  }

  package enum Status: String, Hashable, Sendable {
    case inProgress = "InProgress"
    case succeeded = "Succeeded"
    case failed = "Failed"
    case canceled = "Canceled"

    package var isEnd: Bool { self != .inProgress }
  }

  package var id: String
  package var kind: Kind
  /// The resource's place below the workspace, such as `onlineEndpoints/churn/deployments/blue`.
  package var resource: String
  package var status = Status.inProgress
  /// Milliseconds since 1970.
  package var started: Int64
  package var ended: Int64?
  /// 0 to 100.
  package var percent = 0
  /// What is being done now, or was last.
  package var step = ""
  package var error: ControlError?
  /// What was taken and has no effect here, in sentences.
  package var warnings: [String] = []

  package init(id: String, kind: Kind, resource: String, started: Int64) {
    self.id = id
    self.kind = kind
    self.resource = resource
    self.started = started
  }

  /// Of an endpoint and of what belongs to one.
  package var endpoint: String? {
    let parts = resource.split(separator: "/")
    return parts.count > 1 && parts[0] == "onlineEndpoints" ? String(parts[1]) : nil
  }
}

/// Wall-clock time as the REST interface writes it.
package enum WallClock {
  /// RFC 3339 in UTC with milliseconds.
  package static func text(milliseconds: Int64) -> String {
    LogLine.Time(seconds: Int(milliseconds / 1000), milliseconds: Int(milliseconds % 1000)).text
  }

  package static func now() -> Int64 {
    let time = LogLine.Time.now()
    return Int64(time.seconds) * 1000 + Int64(time.milliseconds)
  }
}
