package import Inference
internal import Glibc
internal import Synchronization

extension RoutingTable {
  /// Decides on one request of an endpoint that `index(of:)` has found.
  ///
  /// - Parameters:
  ///   - version: `model_version`: a version of a model, a deployment of an endpoint; empty: whom the traffic rule says.
  ///   - pin: The same by `azureml-model-deployment`. If both are there, they are equal.
  ///   - routingKey: What a sticky endpoint goes by; empty: nothing.
  /// - Throws: `.notFound` for an unknown version or deployment, or if there is none to choose; `.unavailable` for one
  ///   that is there and not ready; `.invalidArgument` if `version` and `pin` differ, or a model's version is not a
  ///   number as Swift prints it, 0 or more.
  package func decide(
    endpoint: Int, version: UnsafeRawBufferPointer, pin: UnsafeRawBufferPointer, routingKey: UnsafeRawBufferPointer
  ) throws(InferenceError) -> RoutingDecision {
    if version.count > 0 || pin.count > 0 {
      if version.count > 0, pin.count > 0, !(version == pin) { throw contradiction(version, pin) }
      let name = version.count > 0 ? version : pin
      return RoutingDecision(endpoint: endpoint, target: try target(at: endpoint, named: name), isPinned: true)
    }
    let entry = entries + endpoint
    guard entry.pointee.preferredTarget >= 0 else { throw nothingIsReady(endpoint) }
    var decision = RoutingDecision(endpoint: endpoint, target: entry.pointee.preferredTarget)
    // Without a counter there is nothing to divide: no split, or all of it to one; and no mirror.
    guard let turns = entry.pointee.turns else { return decision }
    turns._withUnsafeGuaranteedRef { turns in
      if entry.pointee.turnCount > 1 {
        if entry.pointee.isSticky, routingKey.count > 0 {
          decision.target = stickyTarget(entry, routingKey)
        } else {
          let turn = turns.split.pointee.wrappingAdd(1, ordering: .relaxed).oldValue
          let place = Int(truncatingIfNeeded: turn % UInt64(entry.pointee.turnCount))
          decision.target = Int(turnTargets[entry.pointee.firstTurn + place])
        }
      }
      if entry.pointee.mirrorTarget >= 0, entry.pointee.mirrorTarget != decision.target {
        let turn = turns.mirror.pointee.wrappingAdd(1, ordering: .relaxed).oldValue
        if EndpointTurns.isSampled(turn, percent: entry.pointee.mirrorPercent) {
          decision.mirrorTarget = entry.pointee.mirrorTarget
        }
      }
    }
    return decision
  }

  /// The target that answers for an endpoint and a version; without one, the highest ready version, or the ready
  /// deployment with the most traffic. Asking moves no turn on.
  ///
  /// - Throws: As `decide`; and `.notFound` for an unknown endpoint.
  package func target(
    endpoint: UnsafeRawBufferPointer, version: UnsafeRawBufferPointer
  ) throws(InferenceError) -> Int {
    let index = index(of: endpoint)
    guard index >= 0 else { throw RoutingTable.unknown(endpoint) }
    if version.count > 0 { return try target(at: index, named: version) }
    let target = entries[index].preferredTarget
    if target >= 0 { return target }
    throw nothingIsReady(index)
  }

  /// The same for names in everyday form.
  package func target(_ endpoint: String, version: String = "") throws(InferenceError) -> Int {
    let endpoint = Array(endpoint.utf8)
    let version = Array(version.utf8)
    let result = endpoint.withUnsafeBytes { endpoint in
      version.withUnsafeBytes { version in
        Result { () throws(InferenceError) in try self.target(endpoint: endpoint, version: version) }
      }
    }
    return try result.get()
  }

  private func target(at endpoint: Int, named name: UnsafeRawBufferPointer) throws(InferenceError) -> Int {
    let entry = entries + endpoint
    let all = deployments + entry.pointee.firstDeployment
    var found = -1
    if entry.pointee.isSplit {
      for position in 0..<entry.pointee.deploymentCount where all[position].name == name { found = position }
    } else {
      guard let number = RoutingTable.versionNumber(name) else { throw noNumber(endpoint, name) }
      for position in 0..<entry.pointee.deploymentCount where all[position].version == number { found = position }
    }
    guard found >= 0 else { throw unknownDeployment(endpoint, name) }
    let target = all[found].target
    guard target >= 0 else { throw isNotReady(routes[endpoint], routes[endpoint].deployments[found]) }
    return target
  }

  /// Weighted rendezvous hashing: every ready deployment with weight draws a number from the key and its own name, and
  /// the lowest wins. A key moves only if its own deployment loses weight, or another gains some.
  ///
  /// Source: J. Resch, "New Hashing Algorithms for Data Storage", SNIA SDC 2015: -log(u)/w is the first event of a
  /// process of rate w, so that deployments win by their weights.
  private func stickyTarget(_ entry: UnsafeMutablePointer<Entry>, _ key: UnsafeRawBufferPointer) -> Int {
    let keyHash = RoutingTable.mixed(RoutingTable.hash(key))
    let all = deployments + entry.pointee.firstDeployment
    var target = entry.pointee.preferredTarget
    var lowest = Double.infinity
    for position in 0..<entry.pointee.deploymentCount where all[position].weight > 0 && all[position].target >= 0 {
      let draw = RoutingTable.mixed(keyHash ^ all[position].nameHash)
      let uniform = (Double(draw >> 11) + 0.5) * 0x1p-53  // in (0, 1)
      let score = -log(uniform) / Double(all[position].weight)
      if score < lowest {
        lowest = score
        target = all[position].target
      }
    }
    return target
  }

  /// The finaliser of SplitMix64: every bit of the input changes half of those of the output.
  private static func mixed(_ value: UInt64) -> UInt64 {
    var mixed = value
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }
}
