internal import GRPC
internal import GRPCClient
internal import HTTP2

/// A method that calls are made of.
struct ClientMethod: Sendable, Hashable {
  let path: String
  let isStream: Bool
  /// Position of its templates; nil for one that is looked up by its path.
  let index: Int?

  static let infer = ClientMethod(path: "/inference.GRPCInferenceService/ModelInfer", isStream: false, index: 0)
  static let streamInfer = ClientMethod(
    path: "/inference.GRPCInferenceService/ModelStreamInfer", isStream: true, index: 1)

  init(path: String, isStream: Bool) { self.init(path: path, isStream: isStream, index: nil) }

  private init(path: String, isStream: Bool, index: Int?) {
    self.path = path
    self.isStream = isStream
    self.index = index
  }
}

/// A loop's prepared headers: one for each method, target and compression that was used.
struct MethodTemplates {
  private let settings: ClientSettings
  private var indexed: [RequestTemplate?]
  private var named: [ClientMethod: [RequestTemplate?]] = [:]
  private let perMethod: Int

  /// Paths that an application makes up are not remembered without end.
  private static let mostNamed = 256

  init(settings: ClientSettings) {
    self.settings = settings
    perMethod = 3 * settings.targets.count
    indexed = Array(repeating: nil, count: 2 * perMethod)
  }

  mutating func template(_ method: ClientMethod, target: Int, compression: Compression) -> RequestTemplate {
    let place = 3 * target + compression.position
    if let index = method.index {
      if let template = indexed[index * perMethod + place] { return template }
      let template = settings.makeTemplate(method, target: target, compression: compression)
      indexed[index * perMethod + place] = template
      return template
    }
    if let template = named[method]?[place] { return template }
    if named.count >= Self.mostNamed { named.removeAll(keepingCapacity: true) }
    let template = settings.makeTemplate(method, target: target, compression: compression)
    named[method, default: Array(repeating: nil, count: perMethod)][place] = template
    return template
  }
}

extension Compression {
  fileprivate var position: Int {
    switch self {
    case .none: 0
    case .gzip: 1
    case .deflate: 2
    }
  }

  var encoding: MessageEncoding {
    switch self {
    case .none: .identity
    case .gzip: .gzip
    case .deflate: .deflate
    }
  }
}
