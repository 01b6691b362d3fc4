package import HTTPTypes
package import HummingbirdCore

/// Which handler answers which method and path: filled by one file a subject, read by all listeners.
///
/// A path is literal segments and `{names}` that stand for one segment each, decoded; `{name...}` at the end stands for
/// all that is left. Literal segments win over names. A listener serves the routes of its planes only.
package struct GatewayRoutes: Sendable {
  package typealias Handler = @Sendable (GatewayCall) async throws -> Response

  struct Route: Sendable {
    var methods: [(method: HTTPRequest.Method, handler: Handler)] = []
    let template: [Segment]
    let planes: Set<GatewayListener.Plane>
    let errors: ErrorForm
    /// How many literal segments; the more, the better it fits.
    let literalCount: Int
  }

  enum Segment: Hashable, Sendable {
    case literal(String)
    case name(String)
    case rest(String)

    var isLiteral: Bool {
      if case .literal = self { true } else { false }
    }
  }

  struct Match: Sendable {
    let route: Route
    let parameters: [String: String]
  }

  private var routes: [Route] = []

  package init() {}

  /// Adds a handler. GET answers HEAD too, without the body; OPTIONS is answered for every route.
  package mutating func add(
    _ method: HTTPRequest.Method, _ path: String, planes: Set<GatewayListener.Plane> = [.publicData, .privateData],
    errors: ErrorForm, _ handler: @escaping Handler
  ) {
    let template = path.split(separator: "/").map { segment -> Segment in
      guard segment.hasPrefix("{"), segment.hasSuffix("}") else { return .literal(String(segment)) }
      let name = segment.dropFirst().dropLast()
      return name.hasSuffix("...") ? .rest(String(name.dropLast(3))) : .name(String(name))
    }
    if let index = routes.firstIndex(where: { $0.template == template && $0.planes == planes }) {
      precondition(
        !routes[index].methods.contains { $0.method == method }, "\(method) \(path) is routed twice. This is a bug.")
      routes[index].methods.append((method, handler))
    } else {
      routes.append(
        Route(
          methods: [(method, handler)], template: template, planes: planes, errors: errors,
          literalCount: template.count { $0.isLiteral }))
    }
  }

  /// The route of a path, if any plane of the listener has one.
  func match(_ path: Substring, planes: Set<GatewayListener.Plane>) -> Match? {
    let segments = path.split(separator: "/")
    var best: Match?
    for route in routes where !route.planes.isDisjoint(with: planes) {
      if let best, best.route.literalCount >= route.literalCount { continue }
      guard let parameters = GatewayRoutes.parameters(of: segments, in: route.template) else { continue }
      best = Match(route: route, parameters: parameters)
    }
    return best
  }

  /// The error form of a path that is not there: that of the routes with the same first segment.
  func errorForm(near path: Substring) -> ErrorForm {
    let first = path.split(separator: "/").first.map(String.init) ?? ""
    return routes.first { $0.template.first == .literal(first) }?.errors ?? .message
  }

  private static func parameters(of segments: [Substring], in template: [Segment]) -> [String: String]? {
    guard template.last.map({ if case .rest = $0 { true } else { false } }) == true || segments.count == template.count
    else { return nil }
    var parameters: [String: String] = [:]
    for (index, part) in template.enumerated() {
      if case .rest(let name) = part {
        parameters[name] = segments.dropFirst(index).joined(separator: "/")
        return parameters
      }
      guard index < segments.count else { return nil }
      switch part {
      case .literal(let text): guard segments[index] == text else { return nil }
      case .name(let name):
        guard let value = URLText.decoded(segments[index]) else { return nil }
        parameters[name] = value
      case .rest: break
      }
    }
    return parameters
  }
}

extension GatewayRoutes.Route {
  /// What `Allow` says.
  var allowed: String {
    var names = methods.map(\.method.rawValue)
    if names.contains("GET") { names.append("HEAD") }
    if !names.contains("OPTIONS") { names.append("OPTIONS") }
    return names.joined(separator: ", ")
  }

  func handler(for method: HTTPRequest.Method) -> GatewayRoutes.Handler? {
    let wanted = method == .head ? .get : method
    return methods.first { $0.method == method }?.handler ?? methods.first { $0.method == wanted }?.handler
  }
}
