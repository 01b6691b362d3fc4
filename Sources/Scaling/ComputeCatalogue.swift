package import Inference

/// The instance types that an operator has declared: named bundles of what one instance gets of the machine.
package struct ComputeCatalogue: Hashable, Sendable {
  package struct InstanceType: Hashable, Sendable {
    package var name: String
    package var resources: ComputeResources

    package init(name: String, resources: ComputeResources) {
      self.name = name
      self.resources = resources
    }
  }

  /// What to do with a type that is not declared, such as a cloud's size in a file that was written for it.
  package enum UnknownTypes: String, Hashable, Sendable, CaseIterable {
    case refuse
    /// An instance of it gets what one of the default type gets.
    case useDefault = "use_default"
  }

  /// Everything that instances may use together.
  package let machine: ComputeResources
  /// By name.
  package let types: [InstanceType]
  /// For a deployment that names none.
  package let defaultType: InstanceType
  package let unknownTypes: UnknownTypes

  /// - Parameters:
  ///   - types: If none is called `default`, one is added: a core with its share of the memory, and no GPU.
  /// - Throws: `.invalidArgument` for a type that is declared twice, is empty, or is larger than the machine.
  package init(
    machine: ComputeResources, types declared: [InstanceType] = [], unknownTypes: UnknownTypes = .refuse
  ) throws(InferenceError) {
    for (index, type) in declared.enumerated() {
      let field = "instance type '\(type.name)'"
      guard !type.name.isEmpty else {
        throw .invalidArgument("instance_types[\(index)].name is empty; expected a name")
      }
      guard !declared[..<index].contains(where: { $0.name == type.name }) else {
        throw .invalidArgument("\(field) is declared twice; expected one of each name")
      }
      guard type.resources.milliCores >= 1, type.resources.memoryBytes >= 1, type.resources.gpus >= 0 else {
        throw .invalidArgument("\(field) is \(type.resources); expected some cores and memory")
      }
      guard type.resources.fits(into: machine) else {
        throw .invalidArgument("\(field) is \(type.resources), more than the machine, which has \(machine)")
      }
    }
    let share = min(1000, machine.milliCores)
    let memory = Double(machine.memoryBytes) * Double(share) / Double(max(machine.milliCores, 1))
    let builtIn = InstanceType(
      name: "default", resources: ComputeResources(milliCores: share, memoryBytes: Int(memory)))
    self.machine = machine
    self.unknownTypes = unknownTypes
    defaultType = declared.first { $0.name == "default" } ?? builtIn
    let rest = declared.filter { $0.name != "default" }
    types = ([defaultType] + rest).sorted { $0.name < $1.name }
  }

  /// The type of that name; the default one for nil.
  ///
  /// - Throws: `.invalidArgument` that lists the declared ones and says how to declare this.
  package func type(named name: String?) throws(InferenceError) -> InstanceType {
    guard let name else { return defaultType }
    if let type = types.first(where: { $0.name == name }) { return type }
    if unknownTypes == .useDefault { return InstanceType(name: name, resources: defaultType.resources) }
    let known = types.map { "\($0.name) (\($0.resources))" }.joined(separator: "; ")
    throw .invalidArgument(
      "instance_type is '\(name)', which is not declared on this server; expected one of: \(known). Declare it with what "
        + "one instance of it gets, such as \(name): {cpu: \"4\", memory: 14Gi}, or set unknown_instance_types: use_default")
  }
}
