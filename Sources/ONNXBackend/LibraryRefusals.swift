/// The places where no usable library was, with the reason of each, in the order in which they were tried.
///
/// Every model that needs the library says all of it, so a reason that several places share is said once.
package struct LibraryRefusals {
  private var groups: [(reason: String, paths: [String])] = []

  package init() {}

  package mutating func add(_ path: String, reason: String) {
    // The loader begins with the path that it was given.
    let prefix = "\(path): "
    let reason = reason.hasPrefix(prefix) ? String(reason.dropFirst(prefix.count)) : reason
    if groups.last?.reason == reason {
      groups[groups.count - 1].paths.append(path)
    } else {
      groups.append((reason, [path]))
    }
  }

  /// Such as "/opt/a.so, /opt/b.so (No such file or directory), /opt/c.so (file too short)".
  package var text: String {
    groups.map { "\($0.paths.joined(separator: ", ")) (\($0.reason))" }.joined(separator: ", ")
  }
}
