internal import Documents

extension AutoscaleSettings: Resource {
  /// What can be measured of a deployment or an endpoint, by the names of Azure Monitor.
  package static let metricNames = [
    "CpuUtilizationPercentage", "CpuMemoryUtilizationPercentage", "GpuUtilizationPercentage",
    "GpuMemoryUtilizationPercentage",
    "DeploymentCapacity", "RequestsPerMinute", "RequestLatency", "RequestLatency_P50", "RequestLatency_P90",
    "RequestLatency_P95",
    "RequestLatency_P99", "NetworkBytes", "ConnectionsActive", "NewConnectionsPerSecond",
  ]

  package init(reading fields: FieldReader) {
    self.init(endpointName: "", deploymentName: "", profiles: [])
    fields.ignoreReadOnly()
    if fields.form == .rest { fields.ignore("tags") }
    guard fields.form == .rest else {
      name = fields.string("name")
      read(fields)
      return
    }
    _ = fields.object("properties", { read($0) })
    if !fields.has("properties") { fields.fault("properties", "expected an object, got nothing") }
  }

  /// Reads what REST has under `properties`.
  private mutating func read(_ fields: FieldReader) {
    readTarget(fields)
    if fields.form == .rest { name = fields.string("name") }
    enabled = fields.bool("enabled") ?? true
    profiles = fields.elements("profiles", max: Self.maxProfiles).map { value, place in
      fields.part(value, at: place, Profile.init(reading:))
    }
    guard fields.has("profiles") else {
      return fields.fault("profiles", "expected a list of at least one profile, got nothing")
    }
    let always = profiles.filter { $0.schedule == nil }
    if always.count > 1 {
      fields.fault(
        "profiles",
        "expected at most one without a time, got \(always.count): \(always.map(\.name).joined(separator: ", "))")
    }
    var names: Set<String> = []
    for profile in profiles where !names.insert(profile.name).inserted {
      fields.fault("profiles", "the name '\(profile.name)' is given twice")
    }
  }

  /// Either the deployment's path in REST or its two names. In REST, the URL may say it.
  private mutating func readTarget(_ fields: FieldReader) {
    let target = fields.string("target_resource_id", rest: "targetResourceUri")
    if let target {
      let parts = target.split(separator: "/").map(String.init)
      guard parts.count >= 4, parts[parts.count - 4] == "onlineEndpoints", parts[parts.count - 2] == "deployments"
      else {
        return fields.fault(
          "target_resource_id", rest: "targetResourceUri",
          "expected the path of a deployment, …/onlineEndpoints/<endpoint>/deployments/<deployment>, got "
            + Document.string(target).quoted)
      }
      (endpointName, deploymentName) = (parts[parts.count - 3], parts[parts.count - 1])
      for name in [endpointName, deploymentName] {
        if let fault = ResourceName.fault(in: name) {
          fields.fault("target_resource_id", rest: "targetResourceUri", fault)
        }
      }
    } else if fields.form == .rest, fields.context.names.count >= 2 {
      (endpointName, deploymentName) = (fields.context.names[0], fields.context.names[1])
    }
    guard fields.form == .cli else {
      if endpointName.isEmpty {
        fields.fault("target_resource_id", rest: "targetResourceUri", "expected the path of a deployment, got nothing")
      }
      return
    }
    if target == nil {
      (endpointName, deploymentName) = (fields.name("endpoint_name"), fields.name("deployment_name"))
    } else if fields.has("endpoint_name") || fields.has("deployment_name") {
      fields.fault("target_resource_id", "expected this or endpoint_name and deployment_name, got both")
    }
  }

  internal var endpointPath: String { "/onlineEndpoints/\(endpointName)" }

  package func write(to fields: inout FieldWriter) {
    if fields.form == .rest { fields.put("id", fields.status?.id) } else { fields.put("name", name) }
    fields.put("location", fields.status?.location)
    fields.properties { fields in
      if fields.form == .rest {
        fields.put("name", name)
        fields.put("targetResourceUri", "\(endpointPath)/deployments/\(deploymentName)")
      } else {
        fields.put("endpoint_name", endpointName)
        fields.put("deployment_name", deploymentName)
      }
      fields.put("enabled", enabled)
      let form = fields.form
      let profiles = profiles.map { profile in
        Document.object(FieldWriter.part(form: form) { profile.write(to: &$0, of: self) })
      }
      fields.put("profiles", .array(profiles))
    }
  }
}

extension AutoscaleSettings.Profile {
  private static let counts = 0...100_000

  internal init(reading fields: FieldReader) {
    self.init(name: fields.string("name") ?? "", minimum: 1, maximum: 1, defaultCount: 1)
    if !fields.has("name") { fields.fault("name", "expected a name, got nothing") }
    _ = fields.object("capacity") { capacity in
      minimum = capacity.count("minimum", in: Self.counts) ?? 1
      maximum = capacity.count("maximum", in: Self.counts) ?? minimum
      defaultCount = capacity.count("default", in: Self.counts) ?? minimum
      for key in ["minimum", "maximum"] where !capacity.has(key) {
        capacity.fault(key, "expected a number of instances, got nothing")
      }
      if minimum > maximum {
        capacity.fault("minimum", "expected at most the maximum, which is \(maximum), got \(minimum)")
      }
      if !(minimum...max(minimum, maximum)).contains(defaultCount) {
        capacity.fault("default", "expected \(minimum) to \(maximum), got \(defaultCount)")
      }
    }
    if !fields.has("capacity") { fields.fault("capacity", "expected minimum, maximum and default, got nothing") }
    readSchedule(fields)
    rules = fields.elements("rules", max: AutoscaleSettings.maxRules).map { value, place in
      fields.part(value, at: place, AutoscaleSettings.Rule.init(reading:))
    }
  }

  private mutating func readSchedule(_ fields: FieldReader) {
    let fixed = fields.object("fixed_date") { date in
      for key in ["start", "end"] where !date.has(key) {
        date.fault(key, "expected a time such as 2026-05-01T08:00:00, got nothing")
      }
      return AutoscaleSettings.Schedule.fixedDate(
        start: date.string("start") ?? "", end: date.string("end") ?? "", timeZone: date.string("time_zone") ?? "UTC")
    }
    let recurrence = fields.object("recurrence") { fields in
      _ = fields.choice("frequency", of: Frequency.self)
      // REST has the times one level further down.
      guard fields.form == .rest else { return AutoscaleSettings.Schedule.recurrence(readTimes(fields)) }
      if !fields.has("schedule") { fields.fault("schedule", "expected days, hours and minutes, got nothing") }
      let none = AutoscaleSettings.Recurrence(days: [], hours: [], minutes: [])
      return .recurrence(fields.object("schedule", readTimes) ?? none)
    }
    if fixed != nil && recurrence != nil { fields.fault("recurrence", "expected fixed_date or recurrence, got both") }
    schedule = fixed ?? recurrence
  }

  private func readTimes(_ fields: FieldReader) -> AutoscaleSettings.Recurrence {
    let days = fields.elements("days", max: 7).compactMap { value, place in
      let day = value.string.flatMap(AutoscaleSettings.Recurrence.Day.init(tolerant:))
      if day == nil {
        fields.context.note(.error, at: place, "expected a day of the week such as 'monday', got \(value.quoted)")
      }
      return day
    }
    if days.isEmpty { fields.fault("days", "expected at least one day of the week") }
    func numbers(_ key: String, max: Int) -> [Int] {
      let numbers = fields.elements(key, max: max + 1).compactMap { value, place in
        let number = value.int.flatMap { (0...max).contains($0) ? $0 : nil }
        if number == nil {
          fields.context.note(.error, at: place, "expected a whole number of 0 to \(max), got \(value.quoted)")
        }
        return number
      }
      return numbers.isEmpty ? [0] : numbers
    }
    return AutoscaleSettings.Recurrence(
      days: days, hours: numbers("hours", max: 23), minutes: numbers("minutes", max: 59),
      timeZone: fields.string("time_zone") ?? "UTC")
  }

  internal func write(to fields: inout FieldWriter, of settings: AutoscaleSettings) {
    fields.put("name", name)
    // Azure Monitor's REST has these numbers as strings.
    func count(_ value: Int) -> Document { fields.form == .rest ? .string(String(value)) : .int(value) }
    fields.put("capacity", ["minimum": count(minimum), "maximum": count(maximum), "default": count(defaultCount)])
    switch schedule {
    case .fixedDate(let start, let end, let timeZone):
      fields.put("fixed_date") { fields in
        fields.put("start", start)
        fields.put("end", end)
        fields.put("time_zone", timeZone)
      }
    case .recurrence(let times):
      fields.put("recurrence") { fields in
        fields.put("frequency", word: Frequency.week)
        func write(_ fields: inout FieldWriter) {
          let form = fields.form
          fields.put("days", .array(times.days.map { .string($0.spelling(in: form)) }))
          fields.put("hours", .array(times.hours.map { .int($0) }))
          fields.put("minutes", .array(times.minutes.map { .int($0) }))
          fields.put("time_zone", times.timeZone)
        }
        if fields.form == .rest { fields.put("schedule", write) } else { write(&fields) }
      }
    case nil: break
    }
    let form = fields.form
    let rules = rules.map { rule in Document.object(FieldWriter.part(form: form) { rule.write(to: &$0, of: settings) })
    }
    fields.put("rules", .array(rules))
  }
}

/// The word of `recurrence.frequency`.
internal enum Frequency: String, Spelled { case week }

extension FieldReader {
  /// A whole number, or a string of one, as Azure Monitor sends them.
  internal func count(_ key: String, in range: ClosedRange<Int>) -> Int? {
    guard let value = value(key) else { return nil }
    if let count = value.int ?? value.string.flatMap({ Int($0) }), range.contains(count) { return count }
    expect(Self.words(range), key, rest: nil, got: value)
    return nil
  }

  /// A duration as ISO 8601 has it, or as rules in text have it: `5m`, `30s`, `1h`. In whole seconds.
  internal func duration(_ key: String, in range: ClosedRange<Int>) -> Int? {
    guard let value = value(key) else { return nil }
    if let seconds = value.string.flatMap(ScaleText.seconds), range.contains(seconds) { return seconds }
    expect(
      "a duration of \(ISODuration.text(range.lowerBound * 1000)) to "
        + "\(ISODuration.text(range.upperBound * 1000)) such as 'PT5M' or '5m'",
      key, rest: nil, got: value)
    return nil
  }
}
