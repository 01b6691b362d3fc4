package import Inference

/// Which deployment answers a request, by the name and version bytes that came over the wire. Immutable.
///
/// A look-up hashes the name, probes a table that is at most half full, and compares bytes once; no `String` is made
/// unless the request fails. An empty version means the highest ready one.
///
/// ```
/// "resnet" ─FNV-1a─▶ slots [ · | 2 | · | 0 | 1 | · | … ] ─▶ entries[2] ─▶ deployments[5..<7] ─▶ target
/// ```
///
/// `@unchecked Sendable`: all memory is written in `init` and only read after it.
package final class RoutingTable: @unchecked Sendable {
  private struct Entry {
    var hash: UInt64
    var name: UnsafeRawBufferPointer
    /// Target of the highest ready version, or -1.
    var preferredTarget: Int
    var firstDeployment: Int
    var deploymentCount: Int
  }

  private struct Deployment {
    var version: Int64
    /// -1: not ready; see `routes` for why.
    var target: Int
  }

  /// What the table was made from: endpoints in their order, deployments highest version first.
  package let routes: [EndpointRoutes]

  private let slots: UnsafeMutablePointer<Int32>  // index of an entry plus 1; 0 is free
  private let slotMask: Int
  private let entries: UnsafeMutablePointer<Entry>
  private let deployments: UnsafeMutablePointer<Deployment>
  private let names: UnsafeMutableRawPointer

  /// - Parameter endpoints: Names are distinct, and so are the versions of each.
  package init(_ endpoints: [EndpointRoutes]) {
    routes = endpoints.map { endpoint in
      var endpoint = endpoint
      endpoint.deployments.sort { $0.version > $1.version }
      return endpoint
    }
    var slotCount = 8
    while slotCount < 2 * routes.count { slotCount *= 2 }
    slotMask = slotCount - 1
    slots = .allocate(capacity: slotCount)
    slots.initialize(repeating: 0, count: slotCount)
    entries = .allocate(capacity: max(1, routes.count))
    deployments = .allocate(capacity: max(1, routes.reduce(0) { $0 + $1.deployments.count }))
    names = .allocate(byteCount: max(1, routes.reduce(0) { $0 + $1.name.utf8.count }), alignment: 1)
    fill()
  }

  deinit {
    slots.deallocate()
    entries.deallocate()
    deployments.deallocate()
    names.deallocate()
  }

  private func fill() {
    var nameOffset = 0
    var deploymentCount = 0
    for (index, endpoint) in routes.enumerated() {
      let start = names + nameOffset
      for byte in endpoint.name.utf8 {
        names.storeBytes(of: byte, toByteOffset: nameOffset, as: UInt8.self)
        nameOffset += 1
      }
      let name = UnsafeRawBufferPointer(start: start, count: names + nameOffset - start)
      var entry = Entry(
        hash: RoutingTable.hash(name), name: name, preferredTarget: -1, firstDeployment: deploymentCount,
        deploymentCount: endpoint.deployments.count)
      precondition(find(name) < 0, "Endpoint '\(endpoint.name)' is routed twice. This is a bug.")
      for deployment in endpoint.deployments {
        var target = -1
        if case .target(let number) = deployment.destination { target = number }
        if entry.preferredTarget < 0 { entry.preferredTarget = target }
        (deployments + deploymentCount).initialize(to: Deployment(version: deployment.version, target: target))
        deploymentCount += 1
      }
      (entries + index).initialize(to: entry)
      var slot = Int(truncatingIfNeeded: entry.hash) & slotMask
      while slots[slot] != 0 { slot = (slot + 1) & slotMask }
      slots[slot] = Int32(index + 1)
    }
  }

  /// The target that answers for an endpoint and a version; an empty version is the highest ready one.
  ///
  /// - Throws: `.notFound` for an unknown endpoint or version, or if no version is there to choose;
  ///   `.unavailable` for a version that is there and not ready; `.invalidArgument` if `version` is not a number as
  ///   Swift prints it, 0 or more.
  package func target(
    endpoint: UnsafeRawBufferPointer, version: UnsafeRawBufferPointer
  ) throws(InferenceError) -> Int {
    let index = find(endpoint)
    guard index >= 0 else {
      throw .notFound("Request for unknown model: '\(RoutingTable.quotable(endpoint))' is not found")
    }
    if version.count == 0 {
      let target = entries[index].preferredTarget
      if target >= 0 { return target }
      throw noVersionIsReady(routes[index])
    }
    guard let number = RoutingTable.versionNumber(version) else {
      throw .invalidArgument(
        """
        version '\(RoutingTable.quotable(version))' of model '\(routes[index].name)' is not a version number: \
        expected decimal digits without sign or leading zeros, or nothing for the highest ready version
        """)
    }
    let first = entries[index].firstDeployment
    for position in 0..<entries[index].deploymentCount where deployments[first + position].version == number {
      let target = deployments[first + position].target
      if target >= 0 { return target }
      throw isNotReady(routes[index], routes[index].deployments[position])
    }
    throw .notFound("Request for unknown model: '\(routes[index].name)' version \(number) is not found")
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

  private func find(_ name: UnsafeRawBufferPointer) -> Int {
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
  private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    var index = 0
    while index < bytes.count {
      hash = (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01b3
      index &+= 1
    }
    return hash
  }
}

extension RoutingTable {
  /// Reads a version as Swift prints it: digits only, no leading zero unless it is "0", at most `Int64.max`.
  package static func versionNumber(_ text: UnsafeRawBufferPointer) -> Int64? {
    guard text.count > 0, text.count == 1 || text[0] != UInt8(ascii: "0") else { return nil }
    var number: Int64 = 0
    var index = 0
    while index < text.count {
      let digit = text[index] &- UInt8(ascii: "0")
      guard digit <= 9 else { return nil }
      let (scaled, tooLarge) = number.multipliedReportingOverflow(by: 10)
      let (sum, overflow) = scaled.addingReportingOverflow(Int64(digit))
      guard !tooLarge, !overflow else { return nil }
      number = sum
      index &+= 1
    }
    return number
  }

  private func isNotReady(_ endpoint: EndpointRoutes, _ deployment: DeploymentRoute) -> InferenceError {
    guard case .notReady(let state, _) = deployment.destination else {
      preconditionFailure("Version \(deployment.version) of '\(endpoint.name)' is ready. This is a bug.")
    }
    return .unavailable(
      "Request for model '\(endpoint.name)' version \(deployment.version), which is not ready: its state is \(state)")
  }

  /// Waiting helps where a version is on its way, so that is `.unavailable`; else there is nothing to wait for.
  private func noVersionIsReady(_ endpoint: EndpointRoutes) -> InferenceError {
    for deployment in endpoint.deployments {
      if case .notReady(_, mayComeBack: true) = deployment.destination { return isNotReady(endpoint, deployment) }
    }
    return .notFound("Request for unknown model: '\(endpoint.name)' has no available versions")
  }

  /// What a client sent, for an error text: no longer than a name ever is.
  private static func quotable(_ bytes: UnsafeRawBufferPointer) -> String {
    let most = 256
    let text = String(decoding: bytes.prefix(most), as: UTF8.self)
    return bytes.count > most ? text + "…" : text
  }
}
