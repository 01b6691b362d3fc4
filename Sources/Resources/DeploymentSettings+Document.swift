internal import Documents

extension FieldReader {
  internal func requestSettings() -> RequestSettings? {
    object("request_settings") { fields in
      let times = 1...RequestSettings.maxTimeoutMilliseconds
      return RequestSettings(
        requestTimeoutMilliseconds: fields.milliseconds("request_timeout_ms", rest: "requestTimeout", in: times),
        maxConcurrentRequestsPerInstance: fields.int("max_concurrent_requests_per_instance", in: 1...1_000_000),
        maxQueueWaitMilliseconds: fields.milliseconds(
          "max_queue_wait_ms", rest: "maxQueueWait", in: 0...RequestSettings.maxTimeoutMilliseconds))
    }
  }

  internal func probe(_ key: String, maxSuccesses: Int = 1_000_000) -> ProbeSettings? {
    object(key) { fields in
      let range = 1...86_400
      let settings = ProbeSettings(
        initialDelaySeconds: fields.seconds("initial_delay", in: range),
        periodSeconds: fields.seconds("period", in: range),
        timeoutSeconds: fields.seconds("timeout", in: range),
        successThreshold: fields.int("success_threshold", in: 1...1_000_000),
        failureThreshold: fields.int("failure_threshold", in: 1...1_000_000))
      if let successes = settings.successThreshold, successes > maxSuccesses {
        fields.fault("success_threshold", "expected 1, the only threshold of a liveness probe, got \(successes)")
      }
      return settings
    }
  }

  /// - Parameter kind: Decides the default of the type.
  internal func scaleSettings(kind: OnlineDeployment.Kind) -> ScaleSettings? {
    object("scale_settings") { fields in
      let word: ScaleWord? = fields.choice("type", rest: "scaleType")
      let count = 1...100_000
      var target = ScaleSettings.TargetUtilization()
      let minimum = fields.int("min_instances", in: 0...100_000)
      let maximum = fields.int("max_instances", in: count)
      let percent = fields.int("target_utilization_percentage", in: 1...100)
      let interval = fields.seconds("polling_interval", in: 1...86_400)
      let isTarget = word ?? (kind == .kubernetes ? .targetUtilization : .default) == .targetUtilization
      guard isTarget else {
        for key in ["min_instances", "max_instances", "target_utilization_percentage", "polling_interval"]
        where fields.has(key) {
          fields.warn(
            key,
            "has no effect: the type is '\(ScaleWord.default.spelling(in: fields.form))', which keeps instance_count")
        }
        return .default
      }
      target.minInstances = minimum ?? target.minInstances
      target.maxInstances = maximum ?? max(target.maxInstances, target.minInstances)
      target.targetPercent = percent ?? target.targetPercent
      target.pollingIntervalSeconds = interval ?? target.pollingIntervalSeconds
      if target.minInstances > target.maxInstances {
        fields.fault(
          "min_instances", "expected at most max_instances, which is \(target.maxInstances), got \(target.minInstances)"
        )
      }
      return .targetUtilization(target)
    }
  }

  internal func containerResources() -> ContainerResources? {
    let isRest = form == .rest
    return object("resources", rest: "containerResourceRequirements") { fields in
      func quantity(_ fields: FieldReader, _ key: String) -> Quantity? {
        guard let text = fields.text(key, rest: key) else { return nil }
        if let quantity = Quantity(text) { return quantity }
        fields.fault(key, rest: key, "expected an amount such as '0.5', '500m' or '2Gi', got '\(text.prefix(40))'")
        return nil
      }
      func amounts(_ key: String, rest: String) -> ContainerResources.Amounts {
        fields.object(key, rest: rest) { fields in
          ContainerResources.Amounts(
            cpu: quantity(fields, "cpu"), memory: quantity(fields, "memory"),
            gpu: quantity(fields, isRest ? "gpu" : "nvidia.com/gpu"))
        } ?? ContainerResources.Amounts()
      }
      let resources = ContainerResources(
        requests: amounts("requests", rest: "containerResourceRequests"),
        limits: amounts("limits", rest: "containerResourceLimits"))
      let pairs = [
        ("cpu", resources.requests.cpu, resources.limits.cpu),
        ("memory", resources.requests.memory, resources.limits.memory),
        ("nvidia.com/gpu", resources.requests.gpu, resources.limits.gpu),
      ]
      for case (let key, let request?, let limit?) in pairs where request.thousandths > limit.thousandths {
        context.note(
          .error, at: fields.place("requests", rest: "containerResourceRequests").appending(key),
          "expected at most the limit, which is \(limit.text), got \(request.text)")
      }
      return resources
    }
  }
}

/// The word of `scale_settings.type`.
internal enum ScaleWord: String, Spelled {
  case `default`
  case targetUtilization = "target_utilization"
}

extension FieldWriter {
  internal mutating func put(_ settings: RequestSettings) {
    put("request_settings") { fields in
      fields.put("request_timeout_ms", milliseconds: settings.requestTimeoutMilliseconds, rest: "requestTimeout")
      fields.put("max_concurrent_requests_per_instance", settings.maxConcurrentRequestsPerInstance)
      fields.put("max_queue_wait_ms", milliseconds: settings.maxQueueWaitMilliseconds, rest: "maxQueueWait")
    }
  }

  internal mutating func put(_ key: String, _ probe: ProbeSettings?, keepsEmpty: Bool = false) {
    guard let probe else { return }
    put(key, keepsEmpty: keepsEmpty) { fields in
      fields.put("initial_delay", seconds: probe.initialDelaySeconds)
      fields.put("period", seconds: probe.periodSeconds)
      fields.put("timeout", seconds: probe.timeoutSeconds)
      fields.put("success_threshold", probe.successThreshold)
      fields.put("failure_threshold", probe.failureThreshold)
    }
  }

  internal mutating func put(_ settings: ScaleSettings?) {
    guard let settings else { return }
    put("scale_settings") { fields in
      switch settings {
      case .default: fields.put("type", rest: "scaleType", word: ScaleWord.default)
      case .targetUtilization(let target):
        fields.put("type", rest: "scaleType", word: ScaleWord.targetUtilization)
        fields.put("min_instances", target.minInstances)
        fields.put("max_instances", target.maxInstances)
        fields.put("target_utilization_percentage", target.targetPercent)
        fields.put("polling_interval", seconds: target.pollingIntervalSeconds)
      }
    }
  }

  internal mutating func put(_ resources: ContainerResources?) {
    guard let resources else { return }
    let gpu = form == .rest ? "gpu" : "nvidia.com/gpu"
    func write(_ amounts: ContainerResources.Amounts, _ fields: inout FieldWriter) {
      fields.put("cpu", rest: "cpu", amounts.cpu?.text)
      fields.put("memory", rest: "memory", amounts.memory?.text)
      fields.put(gpu, rest: gpu, amounts.gpu?.text)
    }
    put("resources", rest: "containerResourceRequirements", keepsEmpty: true) { fields in
      fields.put("requests", rest: "containerResourceRequests") { write(resources.requests, &$0) }
      fields.put("limits", rest: "containerResourceLimits") { write(resources.limits, &$0) }
    }
  }
}
