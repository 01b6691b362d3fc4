internal import Inference
internal import Synchronization

/// Where one request goes.
package struct RoutingDecision: Hashable, Sendable {
  /// Index of the endpoint in `RoutingTable.routes`.
  package var endpoint: Int
  package var target: Int
  /// Who gets a copy, or -1.
  package var mirrorTarget: Int
  /// Whether the request named its deployment.
  package var isPinned: Bool

  package init(endpoint: Int, target: Int, mirrorTarget: Int = -1, isPinned: Bool = false) {
    self.endpoint = endpoint
    self.target = target
    self.mirrorTarget = mirrorTarget
    self.isPinned = isPinned
  }
}

/// Which deployment answers a request, by the name and version bytes that came over the wire. Immutable, but for the
/// counters that take turns.
///
/// A look-up hashes the name, probes a table that is at most half full, and compares bytes once; no `String` is made
/// unless the request fails. A split walks a sequence that was laid out beforehand, by one relaxed addition; where one
/// deployment has everything, nothing is counted.
///
/// ```
/// "resnet" ─FNV-1a─▶ slots [ · | 2 | · | 0 | 1 | · | … ] ─▶ entries[2] ─▶ deployments[5..<7] ─▶ target
///                                                              └ turn 4711 ─▶ turns[40..<60] ──▶ target
/// ```
///
/// `@unchecked Sendable`: all memory is written in `init` and only read after it; the counters are atomic.
package final class RoutingTable: @unchecked Sendable {
  struct Entry {
    var hash: UInt64
    var name: UnsafeRawBufferPointer
    var isSplit = false
    var isSticky = false
    /// Target of the highest ready version, or of the ready deployment with the most weight; -1: none.
    var preferredTarget = -1
    var firstDeployment: Int
    var deploymentCount: Int
    /// The split's sequence of targets: more than one only where requests are to be counted.
    var firstTurn = 0
    var turnCount = 0
    var mirrorTarget = -1
    var mirrorPercent = 0
    var turns: Unmanaged<EndpointTurns>?
  }

  struct Deployment {
    var name: UnsafeRawBufferPointer
    var nameHash: UInt64
    /// -1: its name is no number.
    var version: Int64
    /// -1: not ready; see `routes` for why.
    var target: Int
    /// Share of a split, in percent.
    var weight: Int
  }

  /// What the table was made from: endpoints in their order; versions highest first, other deployments in their order.
  package let routes: [EndpointRoutes]

  private let slots: UnsafeMutablePointer<Int32>  // index of an entry plus 1; 0 is free
  private let slotMask: Int
  let entries: UnsafeMutablePointer<Entry>
  let deployments: UnsafeMutablePointer<Deployment>
  private let names: UnsafeMutableRawPointer
  let turnTargets: UnsafeMutablePointer<Int32>
  private var counters: [String: EndpointTurns] = [:]

  /// - Parameters:
  ///   - endpoints: Names are distinct, and so are those of each one's deployments.
  ///   - previous: The table that this one replaces: an endpoint that is in both goes on with its turns where it was.
  package init(_ endpoints: [EndpointRoutes], continuing previous: RoutingTable? = nil) {
    routes = endpoints.map { endpoint in
      var endpoint = endpoint
      if endpoint.traffic == .highestVersion { endpoint.deployments.sort { $0.version! > $1.version! } }
      return endpoint
    }
    var slotCount = 8
    while slotCount < 2 * routes.count { slotCount *= 2 }
    slotMask = slotCount - 1
    slots = .allocate(capacity: slotCount)
    slots.initialize(repeating: 0, count: slotCount)
    entries = .allocate(capacity: max(1, routes.count))
    deployments = .allocate(capacity: max(1, routes.reduce(0) { $0 + $1.deployments.count }))
    names = .allocate(byteCount: max(1, routes.reduce(0) { $0 + $1.nameBytes }), alignment: 1)
    // A split's sequence has at most as many turns as there are percents.
    turnTargets = .allocate(capacity: max(1, 100 * routes.count { $0.traffic != .highestVersion }))
    fill(continuing: previous)
  }

  deinit {
    slots.deallocate()
    entries.deallocate()
    deployments.deallocate()
    names.deallocate()
    turnTargets.deallocate()
  }

  private func fill(continuing previous: RoutingTable?) {
    var nameEnd = names
    func keep(_ name: String) -> UnsafeRawBufferPointer {
      let start = nameEnd
      for byte in name.utf8 {
        nameEnd.storeBytes(of: byte, as: UInt8.self)
        nameEnd += 1
      }
      return UnsafeRawBufferPointer(start: start, count: nameEnd - start)
    }
    var deploymentCount = 0
    var turnCount = 0
    for (index, endpoint) in routes.enumerated() {
      let name = keep(endpoint.name)
      precondition(self.index(of: name) < 0, "Endpoint '\(endpoint.name)' is routed twice. This is a bug.")
      var entry = Entry(
        hash: RoutingTable.hash(name), name: name, isSticky: endpoint.isSticky, firstDeployment: deploymentCount,
        deploymentCount: endpoint.deployments.count, firstTurn: turnCount)
      for deployment in endpoint.deployments {
        var target = -1
        if case .target(let number) = deployment.destination { target = number }
        let name = keep(deployment.name)
        (deployments + deploymentCount).initialize(
          to: Deployment(
            name: name, nameHash: RoutingTable.hash(name), version: deployment.version ?? -1, target: target,
            weight: endpoint.weight(of: deployment.name)))
        deploymentCount += 1
      }
      layOut(endpoint, into: &entry)
      turnCount += entry.turnCount
      if entry.turnCount > 1 || entry.mirrorTarget >= 0 {
        let turns = previous?.counters[endpoint.name] ?? EndpointTurns()
        counters[endpoint.name] = turns
        entry.turns = .passUnretained(turns)
      }
      (entries + index).initialize(to: entry)
      var slot = Int(truncatingIfNeeded: entry.hash) & slotMask
      while slots[slot] != 0 { slot = (slot + 1) & slotMask }
      slots[slot] = Int32(index + 1)
    }
  }

  /// Fills in whom the endpoint's rules choose among those that are ready.
  private func layOut(_ endpoint: EndpointRoutes, into entry: inout Entry) {
    let all = UnsafeBufferPointer(start: deployments + entry.firstDeployment, count: entry.deploymentCount)
    guard case .split(let percents) = endpoint.traffic else {
      entry.preferredTarget = all.first { $0.target >= 0 }?.target ?? -1
      return
    }
    entry.isSplit = true
    endpoint.checkPercents(percents)
    let weights = all.map { $0.target >= 0 ? $0.weight : 0 }
    let turns = TrafficSequence(weights: weights).turns
    for turn in turns {
      (turnTargets + entry.firstTurn + entry.turnCount).initialize(to: Int32(all[turn].target))
      entry.turnCount += 1
    }
    if let most = weights.max(), most > 0, let heaviest = weights.firstIndex(of: most) {
      entry.preferredTarget = all[heaviest].target
    }
    if let mirror = endpoint.mirror, mirror.percent > 0,
      let shadow = endpoint.deployments.firstIndex(where: { $0.name == mirror.deployment })
    {
      entry.mirrorTarget = all[shadow].target
      entry.mirrorPercent = mirror.percent
    }
  }

  /// Index of an endpoint in `routes`, or -1.
  package func index(of name: UnsafeRawBufferPointer) -> Int {
    let hash = RoutingTable.hash(name)
    var slot = Int(truncatingIfNeeded: hash) & slotMask
    while slots[slot] != 0 {
      let index = Int(slots[slot]) - 1
      if entries[index].hash == hash && entries[index].name == name { return index }
      slot = (slot + 1) & slotMask
    }
    return -1
  }

  /// FNV-1a, 64 bits. Source: RFC 9923, "The FNV Non-Cryptographic Hash Algorithm". Names come from the repository, so
  /// nobody who calls can choose keys that collide.
  static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    var index = 0
    while index < bytes.count {
      hash = (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01b3
      index &+= 1
    }
    return hash
  }
}

extension EndpointRoutes {
  fileprivate var nameBytes: Int { deployments.reduce(name.utf8.count) { $0 + $1.name.utf8.count } }

  fileprivate func weight(of deployment: String) -> Int {
    guard case .split(let percents) = traffic else { return 0 }
    return percents[deployment] ?? 0
  }

  /// The control plane checks what people write; what comes here is right.
  fileprivate func checkPercents(_ percents: [String: Int]) {
    let sum = percents.values.reduce(0, +)
    precondition(
      percents.values.allSatisfy { $0 >= 0 } && (sum == 0 || sum == 100),
      "The traffic of '\(name)' sums to \(sum); it is 0 or 100. This is a bug.")
    let known = Set(deployments.map(\.name))
    precondition(known.count == deployments.count, "Two deployments of '\(name)' have one name. This is a bug.")
    precondition(
      percents.allSatisfy { $0.value == 0 || known.contains($0.key) },
      "Endpoint '\(name)' splits to deployments that it has not. This is a bug.")
    precondition(
      mirror.map { (0...50).contains($0.percent) && known.contains($0.deployment) } ?? true,
      "The mirror of '\(name)' is none of its deployments, or over 50 %. This is a bug.")
  }
}
