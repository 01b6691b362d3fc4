internal import CLinux
package import EventLoops
internal import Glibc
package import Inference

/// An open descriptor with one owner: closed when the owner lets go.
package struct Socket: ~Copyable {
  package let descriptor: Int32

  package init(owning descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Gives the descriptor up without closing it.
  package consuming func release() -> Int32 {
    let descriptor = self.descriptor
    discard self
    return descriptor
  }

  // MARK: Listening

  /// A socket that listens on `address`; with an empty host on every address of both families.
  ///
  /// - Parameter sharesPort: SO_REUSEPORT, so that each event loop has its own listener.
  package static func listen(on address: SocketAddress, sharesPort: Bool) throws(SystemError) -> Socket {
    switch address {
    case .unix(let path): try listen(onPath: path)
    case .tcp(let host, let port): try listen(onHost: host, port: port, sharesPort: sharesPort)
    }
  }

  /// Fails if another process listens on a TCP address already: sockets that share their port would take its
  /// connections without a word.
  package static func checkFree(_ address: SocketAddress) throws(SystemError) {
    guard case .tcp(_, let port) = address, port != 0 else { return }
    _ = try listen(on: address, sharesPort: false)
  }

  private static func listen(onHost host: String, port: UInt16, sharesPort: Bool) throws(SystemError) -> Socket {
    let subject = SocketAddress.tcp(host: host, port: port).description
    var lastError = SystemError(call: "listen", subject: subject, number: EADDRNOTAVAIL)
    for candidate in try ResolvedAddress.resolve(host: host, port: port, isPassive: true) {
      let descriptor = socket(candidate.family, Int32(SOCK_STREAM.rawValue | nonBlocking), 0)
      guard descriptor >= 0 else {
        lastError = .last("socket", subject)
        continue
      }
      let socket = Socket(owning: descriptor)
      socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
      if sharesPort { socket.set(SOL_SOCKET, SO_REUSEPORT, 1) }
      if candidate.family == AF_INET6 { socket.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, host.isEmpty ? 0 : 1) }
      let result = candidate.withAddress { bind(descriptor, $0, $1) }
      if result == 0, Glibc.listen(descriptor, 4096) == 0 { return socket }
      lastError = .last("listen on", subject)
    }
    throw lastError
  }

  private static func listen(onPath path: String) throws(SystemError) -> Socket {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | nonBlocking), 0)
    guard descriptor >= 0 else { throw .last("socket", path) }
    let socket = Socket(owning: descriptor)
    let address = try ResolvedAddress(path: path)
    // A socket left behind by a process that is gone may be replaced; one that answers may not.
    // EAGAIN: one that answers, and has more connections waiting than it takes.
    if address.withAddress({ Glibc.connect(descriptor, $0, $1) }) == 0 || errno == EAGAIN {
      throw SystemError(call: "listen on", subject: "unix:\(path)", number: EADDRINUSE)
    }
    var status = stat()
    if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK { unlink(path) }
    let fresh = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | nonBlocking), 0)
    guard fresh >= 0 else { throw .last("socket", path) }
    let listener = Socket(owning: fresh)
    guard address.withAddress({ bind(fresh, $0, $1) }) == 0, Glibc.listen(fresh, 4096) == 0 else {
      throw .last("listen on", "unix:\(path)")
    }
    _ = consume socket
    return listener
  }

  // MARK: Connecting

  /// Connects and waits for it, at most until `deadline`; the socket does not block afterwards.
  package static func connect(to address: SocketAddress, deadline: Instant = .never) throws(SystemError) -> Socket {
    var lastError = SystemError(call: "connect to", subject: "\(address)", number: EADDRNOTAVAIL)
    for candidate in try ResolvedAddress.resolve(address) {
      let descriptor = socket(candidate.family, Int32(SOCK_STREAM.rawValue | nonBlocking), 0)
      guard descriptor >= 0 else { throw .last("socket", "\(address)") }
      let socket = Socket(owning: descriptor)
      let number = candidate.withAddress { Glibc.connect(descriptor, $0, $1) == 0 ? 0 : errno }
      let outcome = number == EINPROGRESS || number == EINTR ? socket.awaitConnection(until: deadline) : number
      if outcome == 0 {
        socket.setNoDelay()
        return socket
      }
      lastError = SystemError(call: "connect to", subject: "\(address)", number: outcome)
    }
    throw lastError
  }

  /// Begins to connect and does not wait: the socket becomes writable when that has ended, and `connectionResult` says how.
  static func beginToConnect(to address: ResolvedAddress) throws(SystemError) -> Socket {
    let descriptor = socket(address.family, Int32(SOCK_STREAM.rawValue | nonBlocking), 0)
    guard descriptor >= 0 else { throw .last("socket", "\(address)") }
    let socket = Socket(owning: descriptor)
    let number = address.withAddress { Glibc.connect(descriptor, $0, $1) == 0 ? 0 : errno }
    guard number == 0 || number == EINPROGRESS || number == EINTR else {
      throw SystemError(call: "connect to", subject: "\(address)", number: number)
    }
    socket.setNoDelay()
    return socket
  }

  /// How an attempt to connect that goes on by itself ended: 0, or a number as in errno(3).
  private func awaitConnection(until deadline: Instant) -> Int32 {
    var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    while true {
      let result = poll(&entry, 1, deadline.pollTimeout(at: .now()))
      if result > 0 { break }
      if result == 0, Instant.now() >= deadline { return ETIMEDOUT }
      if result < 0, errno != EINTR { return errno }
    }
    return connectionResult
  }

  /// How an attempt to connect ended: 0, or a number as in errno(3).
  var connectionResult: Int32 {
    var number: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &length)
    return number
  }

  // MARK: Options

  /// Small writes leave at once (TCP_NODELAY); no effect on Unix sockets.
  package func setNoDelay() { set(Int32(IPPROTO_TCP), TCP_NODELAY, 1) }

  private func set(_ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  /// The port that the system chose where 0 was asked for; 0 for Unix sockets.
  package var localPort: UInt16 {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &storage) { storage in
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        guard getsockname(descriptor, address, &length) == 0 else { return 0 }
        // The port is at the same place in both families' structures (RFC 3493 §3.3).
        guard address.pointee.sa_family == AF_INET || address.pointee.sa_family == AF_INET6 else { return 0 }
        return UnsafeRawPointer(address).loadUnaligned(fromByteOffset: 2, as: UInt16.self).bigEndian
      }
    }
  }

  private static let nonBlocking = UInt32(O_NONBLOCK | O_CLOEXEC)
}
