internal import Documents
internal import Foundation

/// Waits for what the server has begun, and tells how it goes.
struct LongOperation {
  let client: ControlClient
  /// What is under way, in the words of the progress: "endpoint churn".
  let subject: String
  let noWait: Bool
  let isQuiet: Bool

  /// The longest that one look waits for the next.
  static let longestPause = Duration.seconds(2)

  /// Sends a change and waits until it is made.
  ///
  /// - Returns: The answer to the change: at once if the server was done or nobody wants to wait.
  /// - Throws: `ControlError` with the reason if it ends in Failed or Canceled.
  @discardableResult
  func run(
    _ method: ControlMethod, _ path: String, query: [String: String] = [:], body: Document? = nil,
    headers: [String: String] = [:]
  ) async throws -> ControlResponse {
    let answer = try await client.send(method, path, query: query, body: body, headers: headers)
    guard let location = LongOperation.location(in: answer) else { return answer }
    if noWait {
      if !isQuiet { ExitStatus.say("\(subject): begun; follow it with 'apus operation show --name \(LongOperation.name(of: location))'") }
      return answer
    }
    try await wait(at: location)
    return answer
  }

  /// Looks at an operation until it has ended.
  func wait(at location: String) async throws {
    let progress = ProgressLine(isQuiet: isQuiet)
    defer { progress.clear() }
    let clock = ContinuousClock()
    let start = clock.now
    var pause = Duration.milliseconds(100)
    while true {
      let answer = try await client.look(at: location) {
        progress.show(ProgressLine.Content(text: "\(subject): \($0); asking again", changing: ""))
      }
      let status = answer.body["status"]?.string ?? (answer.status == 202 ? "InProgress" : "Succeeded")
      let message = answer.body["message"]?.string
      progress.show(LongOperation.line(subject, status, answer.body["percentComplete"]?.double, message, clock.now - start))
      switch status {
      case "Succeeded", "Completed": return
      case "Failed", "Canceled", "Cancelled":
        progress.clear()
        throw failure(status, answer.body["error"], text: message)
      default: break
      }
      try await Task.sleep(for: pause)
      pause = min(pause * 2, LongOperation.longestPause)
    }
  }

  /// Waits for what is under way with a resource that is there, whoever has begun it, by looking at the resource itself.
  ///
  /// - Parameter present: The resource as it was found.
  /// - Returns: The resource in state Succeeded; with `noWait` also one that is on its way there.
  /// - Throws: `ControlError` with the reason if it is in any other state, or comes to be.
  func settled(_ present: ControlResponse, at path: String) async throws -> ControlResponse {
    let progress = ProgressLine(isQuiet: isQuiet)
    defer { progress.clear() }
    let clock = ContinuousClock()
    let start = clock.now
    var pause = Duration.milliseconds(100)
    var answer = present
    while true {
      let properties = answer.body["properties"]
      guard let state = properties?["provisioningState"]?.string, state != "Succeeded" else { return answer }
      switch state {
      case "Failed", "Canceled":
        progress.clear()
        throw failure(
          state, properties?["provisioningError"], advice: ["It is there like that: change it with update, or delete it."])
      case "Deleting": throw ControlError(status: 409, code: "Conflict", message: "\(subject) is being deleted")
      default: break
      }
      if noWait {
        if !isQuiet { ExitStatus.say("\(subject): \(state)") }
        return answer
      }
      progress.show(LongOperation.line(subject, state, nil, nil, clock.now - start))
      try await Task.sleep(for: pause)
      pause = min(pause * 2, LongOperation.longestPause)
      answer = try await client.look(at: client.session.base + path) {
        progress.show(ProgressLine.Content(text: "\(subject): \($0); asking again", changing: ""))
      }
    }
  }

  /// What is thrown for an end that nobody wanted.
  private func failure(_ state: String, _ error: Document?, text: String? = nil, advice: [String] = []) -> ControlError {
    let error = ControlError(status: 0, body: error, text: text ?? "it gives no reason")
    return ControlError(
      status: 0, code: error.code == "HTTP0" ? state : error.code,
      message: "\(subject): \(state): \(error.message.replacing("HTTP 0: ", with: ""))", details: error.details + advice)
  }

  /// Where to look; nil if there is nothing to wait for. The server may know itself by another name than we do, so that
  /// only the path counts.
  static func location(in answer: ControlResponse) -> String? {
    guard answer.status == 201 || answer.status == 202,
      let url = answer.header("azure-asyncoperation") ?? answer.header("location")
    else { return nil }
    return path(of: url)
  }

  static func path(of url: String) -> String {
    guard let scheme = url.range(of: "://") else { return url }
    let rest = url[scheme.upperBound...]
    return rest.firstIndex(of: "/").map { String(rest[$0...]) } ?? "/"
  }

  private static func name(of location: String) -> String {
    String(location.prefix { $0 != "?" }.split(separator: "/").last ?? "")
  }

  private static func line(
    _ subject: String, _ status: String, _ percent: Double?, _ message: String?, _ elapsed: Duration
  ) -> ProgressLine.Content {
    var text = "\(subject): \(status)"
    if let percent, percent > 0, percent < 100 { text += " \(Int(percent)) %" }
    if let message, !message.isEmpty { text += ", \(message)" }
    return ProgressLine.Content(text: text, changing: "\(elapsed.components.seconds) s")
  }
}
