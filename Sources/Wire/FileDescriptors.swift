internal import CProtos

/// The schema files of every service, as server reflection hands them out.
package struct FileDescriptors: Sendable {
  package struct File: Sendable {
    /// Such as `grpc/health/v1/health.proto`.
    package let name: String
    /// A serialized FileDescriptorProto.
    package let bytes: [UInt8]
    /// Names of the files that it imports.
    package let dependencies: [String]
    /// Full names of the services, methods, messages and enumerations in it.
    package let symbols: [String]
    /// Full names of its services.
    package let services: [String]
  }

  /// Sorted by name.
  package let files: [File]
  private let indexByName: [String: Int]
  private let indexBySymbol: [String: Int]

  /// All that `proto/` holds.
  package static let all = FileDescriptors()

  private init() {
    files = (0..<CProtosFileCount).map { index in
      File(serialized: Array(UnsafeBufferPointer(start: CProtosFiles[index].bytes, count: CProtosFiles[index].count)))
    }
    var byName: [String: Int] = [:]
    var bySymbol: [String: Int] = [:]
    for (index, file) in files.enumerated() {
      byName[file.name] = index
      for symbol in file.symbols { bySymbol[symbol] = index }
    }
    indexByName = byName
    indexBySymbol = bySymbol
  }

  package func file(named name: String) -> File? { indexByName[name].map { files[$0] } }

  /// The file that defines a service, method, message or enumeration, given its full name without a leading dot.
  package func file(containing symbol: String) -> File? { indexBySymbol[symbol].map { files[$0] } }

  /// A file and everything that it imports, directly or not; the file itself first, each file once.
  package func withDependencies(_ file: File) -> [File] {
    var result = [file]
    var next = 0
    while next < result.count {
      for name in result[next].dependencies where !result.contains(where: { $0.name == name }) {
        if let dependency = self.file(named: name) { result.append(dependency) }
      }
      next += 1
    }
    return result
  }

  /// Full names of all services, sorted.
  package var services: [String] { files.flatMap(\.services).sorted() }
}

extension FileDescriptors.File {
  /// Reads what the index needs. The bytes come from protoc, at build time.
  ///
  /// Source of the field numbers: `google/protobuf/descriptor.proto`.
  init(serialized bytes: [UInt8]) {
    var name = ""
    var package = ""
    var dependencies: [String] = []
    var messages: [String] = []
    var enumerations: [String] = []
    var services: [(name: String, methods: [String])] = []
    forEachField(of: bytes) { number, payload in
      switch number {
      case 1: name = String(decoding: payload, as: UTF8.self)
      case 2: package = String(decoding: payload, as: UTF8.self)
      case 3: dependencies.append(String(decoding: payload, as: UTF8.self))
      case 4: messages += messageNames(payload)
      case 5: enumerations += names(payload, field: 1)
      case 6: services.append((names(payload, field: 1)[0], methodNames(payload)))
      default: break
      }
    }
    self.name = name
    self.bytes = bytes
    self.dependencies = dependencies
    self.services = services.map { "\(package).\($0.name)" }
    symbols =
      (messages + enumerations).map { "\(package).\($0)" } + self.services
      + services.flatMap { service in service.methods.map { "\(package).\(service.name).\($0)" } }
  }
}

/// A message's name and those of the messages and enumerations inside it, from a DescriptorProto.
private func messageNames(_ message: [UInt8]) -> [String] {
  let name = names(message, field: 1)[0]
  var nested: [String] = []
  forEachField(of: message) { number, payload in
    if number == 3 { nested += messageNames(payload) }
    if number == 4 { nested += names(payload, field: 1) }
  }
  return [name] + nested.map { "\(name).\($0)" }
}

private func methodNames(_ service: [UInt8]) -> [String] {
  var methods: [String] = []
  forEachField(of: service) { number, payload in
    if number == 2 { methods += names(payload, field: 1) }
  }
  return methods
}

/// The strings in one field of a message.
private func names(_ message: [UInt8], field: UInt32) -> [String] {
  var names: [String] = []
  forEachField(of: message) { number, payload in
    if number == field { names.append(String(decoding: payload, as: UTF8.self)) }
  }
  return names
}

/// Visits each length-delimited field of a message.
private func forEachField(of message: [UInt8], _ visit: (UInt32, [UInt8]) -> Void) {
  message.withUnsafeBytes { bytes in
    var reader = WireReader(bytes)
    while let tag = reader.tag() {
      if tag.wireType == WireType.lengthDelimited {
        guard let payload = reader.lengthDelimited() else { return }
        visit(tag.number, Array(payload))
      } else if !reader.skipValue(tag.wireType) {
        return
      }
    }
  }
}
