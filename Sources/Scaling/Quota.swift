package import Inference

/// Who holds how much of the machine. What is reserved never exceeds it.
package struct Quota: Hashable, Sendable {
  /// One deployment's instances.
  package struct Reservation: Hashable, Sendable {
    package var type: ComputeCatalogue.InstanceType
    package var count: Int
    /// What they hold, the reserve for upgrades included.
    package var resources: ComputeResources
  }

  package let machine: ComputeResources
  /// Instances held beside each hundred, for those that start before others end. 0: none; Azure ML holds 20.
  package let upgradeReservePercent: Int
  package private(set) var reservations: [String: Reservation] = [:]
  package private(set) var reserved = ComputeResources.none

  /// Most instances of one deployment.
  package static let maxInstances = 10_000

  package init(machine: ComputeResources, upgradeReservePercent: Int = 0) {
    self.machine = machine
    self.upgradeReservePercent = min(max(upgradeReservePercent, 0), 100)
  }

  package var free: ComputeResources { machine - reserved }

  /// Makes `holder`'s reservation `count` instances, more or fewer than it had. One that is refused changes nothing.
  ///
  /// - Parameter holder: The deployment, such as `churn/blue`.
  /// - Throws: `.resourceExhausted` that says what is asked, what is free, and who holds the rest.
  package mutating func reserve(
    _ count: Int, of type: ComputeCatalogue.InstanceType, for holder: String
  ) throws(InferenceError) {
    guard (0...Self.maxInstances).contains(count) else {
      throw .invalidArgument("instance_count of '\(holder)' is \(count); expected 0 to \(Self.maxInstances)")
    }
    let held = reservations[holder]?.resources ?? .none
    guard let wanted = resources(of: type, count: count), wanted.fits(into: free + held) else {
      throw .resourceExhausted(refusal(count, type, holder, available: free + held))
    }
    reserved = reserved - held + wanted
    reservations[holder] = count == 0 ? nil : Reservation(type: type, count: count, resources: wanted)
  }

  /// Gives back all that `holder` has. Nothing if it has none.
  package mutating func release(_ holder: String) {
    guard let reservation = reservations.removeValue(forKey: holder) else { return }
    reserved = reserved - reservation.resources
  }

  /// The most instances of a type that `holder` could have now: how far it may scale out.
  package func mostInstances(of type: ComputeCatalogue.InstanceType, for holder: String) -> Int {
    let available = free + (reservations[holder]?.resources ?? .none)
    var low = 0
    var high = Self.maxInstances
    while low < high {
      let middle = (low + high + 1) / 2
      if resources(of: type, count: middle)?.fits(into: available) == true { low = middle } else { high = middle - 1 }
    }
    return low
  }

  private func resources(of type: ComputeCatalogue.InstanceType, count: Int) -> ComputeResources? {
    type.resources.times(count + (count * upgradeReservePercent + 99) / 100)
  }

  /// Most holders that a refusal names.
  private static let maxNamed = 5

  private func refusal(
    _ count: Int, _ type: ComputeCatalogue.InstanceType, _ holder: String, available: ComputeResources
  ) -> String {
    let wanted = resources(of: type, count: count).map { "\($0)" } ?? "more than can be counted"
    let reserve = upgradeReservePercent == 0 ? "" : ", with \(upgradeReservePercent) % in reserve for upgrades"
    let others = reservations.filter { $0.key != holder }
      .sorted { ($1.value.resources.milliCores, $0.key) < ($0.value.resources.milliCores, $1.key) }
    var holders = others.prefix(Self.maxNamed).map {
      "'\($0.key)' (\($0.value.count) × \($0.value.type.name): \($0.value.resources))"
    }
    if others.count > Self.maxNamed { holders.append("\(others.count - Self.maxNamed) others") }
    return "'\(holder)' asks for \(count) × \(type.name) (\(wanted)\(reserve)); free are \(available) of \(machine)"
      + (holders.isEmpty ? "" : "; the rest is held by " + holders.joined(separator: ", "))
  }
}
