internal import Documents

extension FieldReader {
  internal func dataCollector() -> DataCollector? {
    object("data_collector") { fields in
      var collector = DataCollector(
        samplingRate: fields.double("sampling_rate", in: 0...1), rollingRate: fields.choice("rolling_rate"))
      for (name, value, place) in fields.entries("collections") {
        collector.collections[name] = fields.part(value, at: place) { collection in
          if let rate = collection.form == .rest ? collection.double("sampling_rate", in: 0...1) : nil {
            collector.samplingRate = collector.samplingRate ?? rate
          }
          return collection.collection()
        }
      }
      let custom = collector.collections.keys.filter { $0 != "request" && $0 != "response" }.count
      if custom > DataCollector.maxCustomCollections {
        fields.fault(
          "collections",
          "expected at most \(DataCollector.maxCustomCollections) beside 'request' and 'response', got \(custom)")
      }
      collector.capturedHeaders = fields.object("request_logging") { $0.list("capture_headers") } ?? []
      if collector.collections.values.contains(where: \.enabled) {
        context.note(.warning, at: fields.path, "has no effect: this server does not collect production data")
      }
      return collector
    }
  }

  private func collection() -> DataCollector.Collection {
    var collection = DataCollector.Collection()
    if form == .cli {
      collection.enabled = bool("enabled") ?? false
    } else {
      collection.enabled = choice("data_collection_mode", of: NetworkAccess.self) == .enabled
      // What a client of Azure sends in place of `data`.
      if let text = string("data_id"),
        let reference = try? AssetReference<ModelVersion>.parse(text, kind: .model, folder: "/"),
        case .version(let name, let version) = reference
      {
        (collection.assetName, collection.version) = (name, version)
      }
    }
    _ = object("data") { fields in
      collection.assetName = fields.string("name")
      collection.path = fields.string("path")
      collection.version = fields.text("version")
    }
    collection.clientID = string("client_id")
    return collection
  }
}

extension FieldWriter {
  internal mutating func put(_ collector: DataCollector?) {
    guard let collector else { return }
    put("data_collector", keepsEmpty: true) { fields in
      fields.put("sampling_rate", collector.samplingRate.map { .double($0) })
      fields.put("rolling_rate", word: collector.rollingRate)
      fields.put("collections") { fields in
        for (name, collection) in collector.collections.sorted(by: { $0.key < $1.key }) {
          fields.put(name, rest: name, keepsEmpty: true) { Self.write(collection, to: &$0) }
        }
      }
      guard !collector.capturedHeaders.isEmpty else { return }
      fields.put("request_logging") { $0.put("capture_headers", .array(collector.capturedHeaders.map { .string($0) })) }
    }
  }

  private static func write(_ collection: DataCollector.Collection, to fields: inout FieldWriter) {
    if fields.form == .cli {
      // The files have it in quotes.
      fields.put("enabled", collection.enabled ? "True" : "False")
    } else {
      fields.put("data_collection_mode", word: collection.enabled ? NetworkAccess.enabled : .disabled)
    }
    fields.put("data") { fields in
      fields.put("name", collection.assetName)
      fields.put("path", collection.path)
      fields.put("version", collection.version)
    }
    fields.put("client_id", collection.clientID)
  }
}
