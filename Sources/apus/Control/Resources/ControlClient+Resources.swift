internal import Documents

extension ControlClient {
  /// What is at a path; nil if nothing is.
  func find(_ path: String, query: [String: String] = [:]) async throws -> ControlResponse? {
    let answer = try await send(.get, path, query: query, accepting: [404])
    return answer.status == 404 ? nil : answer
  }

  /// The elements of a list, page after page: `{value: […], nextSkip?}`.
  ///
  /// - Parameter limit: At most so many; nil for all.
  func list(_ path: String, query: [String: String] = [:], limit: Int? = nil) async throws -> [Document] {
    var answer = try await send(.get, path, query: query)
    var elements: [Document] = []
    while true {
      elements += answer.body["value"]?.array ?? []
      if let limit, elements.count >= limit { return Array(elements.prefix(limit)) }
      guard let next = answer.body["nextSkip"]?.int, next >= elements.count else { return elements }
      answer = try await send(.get, path, query: query.merging(["skip": "\(next)"]) { $1 })
    }
  }
}

extension ControlResponse {
  /// Headers that let a change happen only if nobody else has changed it since this answer.
  var unchangedSince: [String: String] { etag.map { ["if-match": $0] } ?? [:] }
}
