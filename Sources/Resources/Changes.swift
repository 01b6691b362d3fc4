/// A resource of which some parts stay as they were created.
package protocol Changeable {
  /// What this one changes of an earlier version of itself that can't be changed. Empty: the change is possible.
  func changesThatAreRefused(from old: Self) -> [Finding]
}

/// Collects what may not change.
private struct Comparison {
  var findings: [Finding] = []

  mutating func keep<Value: Equatable>(_ path: String, _ old: Value, _ new: Value, shown: (Value) -> String) {
    guard old != new else { return }
    findings.append(
      Finding(
        .error, at: path, "can't be changed after creation: expected '\(shown(old))' as it was, got '\(shown(new))'"))
  }

  mutating func keep(_ path: String, _ old: String?, _ new: String?) { keep(path, old, new) { $0 ?? "nothing" } }

  /// Of a bag to which entries can only be added.
  mutating func addOnly(_ path: String, _ old: [String: String], _ new: [String: String]) {
    for (key, value) in old.sorted(by: { $0.key < $1.key }) where new[key] != value {
      let got = new[key].map { "'\($0)'" } ?? "nothing"
      findings.append(
        Finding(.error, at: "\(path).\(key)", "properties can only be added: expected '\(value)' as it was, got \(got)")
      )
    }
  }
}

extension OnlineEndpoint: Changeable {
  package func changesThatAreRefused(from old: OnlineEndpoint) -> [Finding] {
    var comparison = Comparison()
    comparison.keep("name", old.name, name)
    comparison.keep("compute", old.compute, compute)
    comparison.addOnly("properties", old.properties, properties)
    return comparison.findings
  }
}

extension OnlineDeployment: Changeable {
  package func changesThatAreRefused(from old: OnlineDeployment) -> [Finding] {
    var comparison = Comparison()
    comparison.keep("name", old.name, name)
    comparison.keep("endpoint_name", old.endpointName, endpointName)
    comparison.keep("type", old.kind, kind) { $0.rawValue }
    comparison.keep("instance_type", old.instanceType, instanceType)
    comparison.keep("egress_public_network_access", old.egressPublicNetworkAccess, egressPublicNetworkAccess) {
      $0.rawValue
    }
    comparison.addOnly("properties", old.properties, properties)
    return comparison.findings
  }
}

extension ModelVersion: Changeable {
  package func changesThatAreRefused(from old: ModelVersion) -> [Finding] {
    var comparison = Comparison()
    comparison.keep("name", old.name, name)
    comparison.keep("version", old.version, version)
    comparison.keep("path", old.path, path)
    comparison.keep("type", old.kind, kind) { $0.rawValue }
    comparison.keep("flavors", old.flavors, flavors)
    return comparison.findings
  }
}

extension EnvironmentVersion: Changeable {
  package func changesThatAreRefused(from old: EnvironmentVersion) -> [Finding] {
    var comparison = Comparison()
    comparison.keep("name", old.name, name)
    comparison.keep("version", old.version, version)
    comparison.keep("image", old.image, image)
    comparison.keep("build", old.build, build) { $0?.path ?? "nothing" }
    comparison.keep("conda_file", old.condaFile, condaFile) { $0 == nil ? "nothing" : "a conda file" }
    comparison.keep("os_type", old.operatingSystem, operatingSystem) { $0.rawValue }
    comparison.keep("inference_config", old.inferenceConfiguration, inferenceConfiguration) {
      $0 == nil ? "nothing" : "three routes"
    }
    return comparison.findings
  }
}
