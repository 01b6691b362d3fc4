internal import Access
internal import Documents
internal import Rollouts
internal import Serving
internal import Stores

/// `onlineEndpoints/{endpoint}/mirrorReport`: what mirroring has shown so far.
extension ControlPlane {
  internal func mirrorReport(_ endpoint: String, _ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, .delete, for: request)
    try require(request.method == .get ? .readOnlineEndpoint : .writeOnlineEndpoint, on: endpoint, request)
    _ = try await store.read { try $0.existingEndpoint(endpoint) }
    guard request.method == .get else {
      mirrors.forget(endpoint)
      return ControlResponse(status: 200)
    }
    guard let comparison = mirrors.comparison(of: endpoint) else {
      throw ControlError(
        .notFound, "nothing was compared yet: endpoint '\(endpoint)' mirrors no traffic, or none has come since it does")
    }
    var document = ControlPlane.document(comparison.comparison.report)
    document["live"] = .string(comparison.live)
    document["shadow"] = .string(comparison.shadow)
    let counts = reconciler.mirrorCounts()
    var dropped: Document.Object = [:]
    for drop in MirrorCounts.Drop.allCases { dropped["\(drop)"] = .int(Int(counts[drop])) }
    // The queue is the server's; so are its counts.
    document["server"] = [
      "sent": .int(Int(counts.sent)), "answered": .int(Int(counts.answered)), "failed": .int(Int(counts.failed)),
      "compared": .int(Int(counts.compared)), "dropped": .object(dropped),
    ]
    return ControlResponse(status: 200, body: .object(document))
  }

  private static func document(_ report: MirrorReport) -> Document.Object {
    [
      "comparedRequests": .int(Int(report.comparedRequests)), "mismatchedRequests": .int(Int(report.mismatchedRequests)),
      "requestsWithOtherLabels": .int(Int(report.requestsWithOtherLabels)),
      "requestsWithOtherNumbers": .int(Int(report.requestsWithOtherNumbers)),
      "requestsWithOtherStructure": .int(Int(report.requestsWithOtherStructure)),
      "shadowFailures": .int(Int(report.shadowFailures)), "untrackedOutputs": .int(Int(report.untrackedOutputs)),
      "outputs": .array(report.outputs.map { .object(document($0)) }),
    ]
  }

  private static func document(_ output: MirrorReport.Output) -> Document.Object {
    let differences = output.differences
    var document: Document.Object = [
      "name": .string(output.name), "tensors": .int(Int(output.tensors)), "elements": .int(Int(differences.elements)),
      "meanAbsoluteDifference": .double(differences.meanAbsolute), "rootMeanSquareDifference": .double(differences.rootMeanSquare),
      "maxAbsoluteDifference": .double(differences.maxAbsolute),
      "unequalElements": .int(Int(output.unequalElements)),
      "beyondTolerance": .int(Int(differences.beyondTolerance)), "labelRule": .string(output.labelRule.rawValue),
      "labels": .int(Int(output.labels)), "mismatchedLabels": .int(Int(output.mismatchedLabels)),
      "labelMismatch": .double(output.labelMismatch), "missingInShadow": .int(Int(output.missingInShadow)),
      "missingInLive": .int(Int(output.missingInLive)), "shapeDifferences": .int(Int(output.shapeDifferences)),
      "datatypeDifferences": .int(Int(output.datatypeDifferences)),
    ]
    document["worst"] = .array(
      output.worst.map {
        [
          "requestId": .string($0.requestID), "kind": .string($0.kind.rawValue), "amount": .double($0.amount),
          "text": .string($0.text),
        ]
      })
    return document
  }
}
