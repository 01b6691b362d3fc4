package import Inference

/// Cores, memory and GPUs: of the machine, of one instance, or of what is left.
package struct ComputeResources: Hashable, Sendable {
  /// Thousandths of a core.
  package var milliCores: Int
  package var memoryBytes: Int
  package var gpus: Int

  package static let none = ComputeResources(milliCores: 0, memoryBytes: 0, gpus: 0)

  package init(milliCores: Int, memoryBytes: Int, gpus: Int = 0) {
    self.milliCores = milliCores
    self.memoryBytes = memoryBytes
    self.gpus = gpus
  }

  /// - Parameters:
  ///   - cores, memory, gpus: Kubernetes' quantities, such as `"0.5"`, `"500m"`, `"2Gi"`, `"1"`.
  /// - Throws: `.invalidArgument` that names the field and says what is expected.
  package init(cores: String, memory: String, gpus: String = "0", field: String) throws(InferenceError) {
    self.init(
      milliCores: try Quantity.parse(cores, scale: 1000, field: "\(field).cpu", example: "0.5 or 500m"),
      memoryBytes: try Quantity.parse(memory, scale: 1, field: "\(field).memory", example: "512Mi or 2Gi"),
      gpus: try Quantity.parse(gpus, scale: 1, field: "\(field).nvidia.com/gpu", example: "1"))
  }

  package func fits(into other: ComputeResources) -> Bool {
    milliCores <= other.milliCores && memoryBytes <= other.memoryBytes && gpus <= other.gpus
  }

  /// So many of it; nil past 63 bits.
  func times(_ count: Int) -> ComputeResources? {
    let (cores, tooManyCores) = milliCores.multipliedReportingOverflow(by: count)
    let (memory, tooMuchMemory) = memoryBytes.multipliedReportingOverflow(by: count)
    let (devices, tooManyDevices) = gpus.multipliedReportingOverflow(by: count)
    guard !tooManyCores, !tooMuchMemory, !tooManyDevices else { return nil }
    return ComputeResources(milliCores: cores, memoryBytes: memory, gpus: devices)
  }

  static func + (left: Self, right: Self) -> Self {
    Self(
      milliCores: left.milliCores + right.milliCores, memoryBytes: left.memoryBytes + right.memoryBytes,
      gpus: left.gpus + right.gpus)
  }

  static func - (left: Self, right: Self) -> Self {
    Self(
      milliCores: left.milliCores - right.milliCores, memoryBytes: left.memoryBytes - right.memoryBytes,
      gpus: left.gpus - right.gpus)
  }
}

extension ComputeResources: CustomStringConvertible {
  /// `4 cores, 8 GiB`, and `, 1 GPU` where there are any.
  package var description: String {
    let cores = Quantity.text(Double(milliCores) / 1000)
    let devices = gpus == 0 ? "" : gpus == 1 ? ", 1 GPU" : ", \(gpus) GPUs"
    return "\(cores) \(cores == "1" ? "core" : "cores"), \(Quantity.bytes(memoryBytes))\(devices)"
  }
}

/// Numbers with a unit at their end, as Kubernetes writes them.
package enum Quantity {
  private static let units: [(suffix: String, factor: Double)] = [
    ("Ki", 0x1p10), ("Mi", 0x1p20), ("Gi", 0x1p30), ("Ti", 0x1p40), ("Pi", 0x1p50), ("k", 1e3), ("M", 1e6), ("G", 1e9),
    ("T", 1e12), ("P", 1e15), ("m", 1e-3),
  ]

  /// The quantity times `scale`, rounded up to a whole number.
  package static func parse(
    _ text: String, scale: Double, field: String, example: String
  ) throws(InferenceError) -> Int {
    let unit = units.first { text.hasSuffix($0.suffix) }
    let number = text.dropLast(unit?.suffix.count ?? 0)
    let isPlain = !number.isEmpty && number.allSatisfy { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard isPlain, let value = Double(number), value * (unit?.factor ?? 1) * scale <= 0x1p53 else {
      throw .invalidArgument("\(field) is '\(text)'; expected a quantity such as \(example)")
    }
    return Int((value * (unit?.factor ?? 1) * scale).rounded(.up))
  }

  static func bytes(_ count: Int) -> String {
    let unit = [(0x1p40, "TiB"), (0x1p30, "GiB"), (0x1p20, "MiB"), (0x1p10, "KiB")].first { Double(count) >= $0.0 }
    guard let unit else { return "\(count) bytes" }
    return "\(text(Double(count) / unit.0)) \(unit.1)"
  }

  /// Without a fraction where it is whole, else with two decimals at most.
  static func text(_ value: Double) -> String {
    guard abs(value) < 1e15 else { return "\(value)" }
    let rounded = (value * 100).rounded() / 100
    return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
  }
}
