package import Inference

// Texts for a model's versions are Triton's, whose clients look at them; an endpoint's are our own.
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

  /// For a name that no endpoint has.
  package static func unknown(_ endpoint: UnsafeRawBufferPointer) -> InferenceError {
    .notFound("Request for unknown model: '\(quotable(endpoint))' is not found")
  }

  func noNumber(_ endpoint: Int, _ version: UnsafeRawBufferPointer) -> InferenceError {
    .invalidArgument(
      """
      version '\(RoutingTable.quotable(version))' of model '\(routes[endpoint].name)' is not a version number: \
      expected decimal digits without sign or leading zeros, or nothing for the highest ready version
      """)
  }

  /// Says nothing of the deployments that are there: a caller learns no name that it did not know.
  func unknownDeployment(_ endpoint: Int, _ name: UnsafeRawBufferPointer) -> InferenceError {
    guard entries[endpoint].isSplit else {
      return .notFound(
        "Request for unknown model: '\(routes[endpoint].name)' version \(RoutingTable.quotable(name)) is not found")
    }
    return .notFound(
      "deployment '\(RoutingTable.quotable(name))' of endpoint '\(routes[endpoint].name)' is not found")
  }

  func contradiction(_ version: UnsafeRawBufferPointer, _ pin: UnsafeRawBufferPointer) -> InferenceError {
    .invalidArgument(
      """
      model_version is '\(RoutingTable.quotable(version))' and azureml-model-deployment is \
      '\(RoutingTable.quotable(pin))': expected one of them, or the same in both
      """)
  }

  func isNotReady(_ endpoint: EndpointRoutes, _ deployment: DeploymentRoute) -> InferenceError {
    guard case .notReady(let state, _) = deployment.destination else {
      preconditionFailure("Deployment '\(deployment.name)' of '\(endpoint.name)' is ready. This is a bug.")
    }
    if case .split = endpoint.traffic {
      return .unavailable(
        "deployment '\(deployment.name)' of endpoint '\(endpoint.name)' is not ready: its state is \(state)")
    }
    return .unavailable(
      "Request for model '\(endpoint.name)' version \(deployment.name), which is not ready: its state is \(state)")
  }

  /// Waiting helps where something is on its way, so that is `.unavailable`; else there is nothing to wait for.
  func nothingIsReady(_ index: Int) -> InferenceError {
    let endpoint = routes[index]
    if case .split(let percents) = endpoint.traffic {
      if let deployment = endpoint.deployments.first(where: { (percents[$0.name] ?? 0) > 0 }) {
        return isNotReady(endpoint, deployment)
      }
      return .notFound("endpoint '\(endpoint.name)' has no deployment with traffic")
    }
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
