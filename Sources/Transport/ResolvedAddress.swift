package import EventLoops
package import Glibc

/// A socket address as the system takes it.
package struct ResolvedAddress: Hashable, Sendable, CustomStringConvertible {
  private var storage = sockaddr_storage()
  private var length: socklen_t
  package var family: Int32 { Int32(storage.ss_family) }

  package init(_ address: UnsafePointer<sockaddr>, length: socklen_t) {
    self.length = min(length, socklen_t(MemoryLayout<sockaddr_storage>.size))
    withUnsafeMutableBytes(of: &storage) {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: Int(self.length)))
    }
  }

  package init(path: String) throws(SystemError) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw SystemError(call: "use path", subject: path, number: ENAMETOOLONG)
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    length = socklen_t(MemoryLayout<sockaddr_un>.size)
    withUnsafeMutableBytes(of: &storage) { target in
      withUnsafeBytes(of: &address) { target.copyMemory(from: $0) }
    }
  }

  func withAddress<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    withUnsafePointer(to: storage) { storage in
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
    }
  }

  // MARK: Looking up

  /// Every address of a name. Waits for the name service, so not for an event loop's thread.
  package static func resolve(_ address: SocketAddress) throws(SystemError) -> [ResolvedAddress] {
    switch address {
    case .unix(let path): [try ResolvedAddress(path: path)]
    case .tcp(let host, let port): try resolve(host: host, port: port, isPassive: false)
    }
  }

  static func resolve(host: String, port: UInt16, isPassive: Bool) throws(SystemError) -> [ResolvedAddress] {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = isPassive ? AI_PASSIVE : 0
    var list: UnsafeMutablePointer<addrinfo>?
    let node = host.isEmpty ? (isPassive ? nil : "localhost") : host
    guard getaddrinfo(node, String(port), &hints, &list) == 0 else {
      throw SystemError(call: "look up host", subject: host, number: EADDRNOTAVAIL)
    }
    defer { freeaddrinfo(list) }
    var found: [ResolvedAddress] = []
    var next = list
    while let entry = next?.pointee {
      if let address = entry.ai_addr { found.append(ResolvedAddress(address, length: entry.ai_addrlen)) }
      next = entry.ai_next
    }
    // IPv6 first where every address is meant: such a socket takes both families.
    if host.isEmpty { found.sort { $0.family == AF_INET6 && $1.family != AF_INET6 } }
    return found
  }

  // MARK: Words

  /// As `SocketAddress` is written, with a numeric host.
  package var description: String {
    if family == AF_UNIX {
      return withUnsafeBytes(of: storage) { bytes in
        let path = bytes.dropFirst(MemoryLayout<sa_family_t>.size).prefix { $0 != 0 }
        return "unix:" + String(decoding: path, as: UTF8.self)
      }
    }
    var host = [UInt8](repeating: 0, count: Int(NI_MAXHOST))
    var port = [UInt8](repeating: 0, count: Int(NI_MAXSERV))
    let result = host.withUnsafeMutableBytes { host in
      port.withUnsafeMutableBytes { port in
        withAddress { address, length in
          getnameinfo(
            address, length, host.bindMemory(to: CChar.self).baseAddress, socklen_t(host.count),
            port.bindMemory(to: CChar.self).baseAddress, socklen_t(port.count), NI_NUMERICHOST | NI_NUMERICSERV)
        }
      }
    }
    guard result == 0 else { return "an address of family \(family)" }
    let name = String(decoding: host.prefix { $0 != 0 }, as: UTF8.self)
    let number = String(decoding: port.prefix { $0 != 0 }, as: UTF8.self)
    return name.contains(":") ? "[\(name)]:\(number)" : "\(name):\(number)"
  }

  package static func == (left: ResolvedAddress, right: ResolvedAddress) -> Bool {
    left.withBytes { left in right.withBytes { right in left.elementsEqual(right) } }
  }

  package func hash(into hasher: inout Hasher) { withBytes { hasher.combine(bytes: $0) } }

  private func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    withUnsafeBytes(of: storage) { body(UnsafeRawBufferPointer(rebasing: $0[..<Int(length)])) }
  }
}
