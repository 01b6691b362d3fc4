internal import Documents
internal import Inference
internal import Resources
package import Scaling

/// What the machine has, and who may use how much of it.
///
/// Reservations follow from the catalogue: every deployment that is not being deleted holds its instances, whether they
/// run yet or not; so quota is settled when a deployment is created or changed, in the same transaction.
package struct Compute: Sendable {
  package let catalogue: ComputeCatalogue

  package init(_ catalogue: ComputeCatalogue) { self.catalogue = catalogue }

  /// - Throws: `ControlError.outOfQuota` that says what is asked, what is free and who holds the rest; `.badArgument` for
  ///   an instance type that is not declared.
  internal func check(_ record: DeploymentRecord, beside others: [DeploymentRecord]) throws(ControlError) {
    var quota = try quota(of: others)
    do throws(InferenceError) {
      let type = try catalogue.type(named: record.deployment.instanceType)
      try quota.reserve(record.instanceCount, of: type, for: record.id.description)
    } catch {
      throw ControlError(error.code == .resourceExhausted ? .outOfQuota : .badArgument, error.message)
    }
  }

  /// The most instances that a deployment could have beside the others.
  internal func mostInstances(of record: DeploymentRecord, beside others: [DeploymentRecord]) -> Int {
    guard let quota = try? quota(of: others), let type = try? catalogue.type(named: record.deployment.instanceType) else {
      return record.instanceCount
    }
    return quota.mostInstances(of: type, for: record.id.description)
  }

  private func quota(of records: [DeploymentRecord]) throws(ControlError) -> Quota {
    var quota = Quota(machine: catalogue.machine)
    for record in records where record.state != .deleting {
      // One that came in under other declarations holds what it can.
      guard let type = try? catalogue.type(named: record.deployment.instanceType) else { continue }
      try? quota.reserve(record.instanceCount, of: type, for: record.id.description)
    }
    return quota
  }

  /// Gives an instance what its type says: threads for its cores, a GPU if it has any. One whose type is no longer declared
  /// has its count all the same.
  internal func apply(_ record: DeploymentRecord, to configuration: inout ModelConfiguration) {
    let resources = (try? catalogue.type(named: record.deployment.instanceType))?.resources ?? ComputeResources.none
    var group = InstanceGroup()
    group.count = record.instanceCount
    if resources.gpus > 0 { group.kind = .gpu }
    configuration.instanceGroups = [group]
    if configuration.parameters["intra_op_thread_count"] == nil, resources.milliCores >= 2000 {
      configuration.parameters["intra_op_thread_count"] = "\(resources.milliCores / 1000)"
    }
  }

  /// Instance types, and what is free.
  internal func rendered(_ records: [DeploymentRecord]) throws(ControlError) -> Document {
    let quota = try quota(of: records)
    func document(_ resources: ComputeResources) -> Document {
      [
        "cores": .double(Double(resources.milliCores) / 1000), "memoryBytes": .int(resources.memoryBytes),
        "gpus": .int(resources.gpus),
      ]
    }
    let types = catalogue.types.map { type -> Document in
      var properties = document(type.resources).object ?? [:]
      properties["isDefault"] = .bool(type.name == catalogue.defaultType.name)
      return ["name": .string(type.name), "properties": .object(properties)]
    }
    let reservations = quota.reservations.sorted { $0.key < $1.key }.map { holder, reservation -> Document in
      [
        "deployment": .string(holder), "instanceType": .string(reservation.type.name), "count": .int(reservation.count),
        "resources": document(reservation.resources),
      ]
    }
    return [
      "value": .array(types), "total": document(quota.machine), "free": document(quota.free),
      "reservations": .array(reservations),
    ]
  }
}
