import EventLoops
import Glibc
import Testing
import Transport

/// Says which error a body failed with.
private func failure(_ body: () throws(SystemError) -> Void) -> SystemError? {
  do throws(SystemError) {
    try body()
    return nil
  } catch { return error }
}

private func temporaryPath() -> String { "/tmp/apus-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock" }

private func connects(to address: SocketAddress) -> Bool {
  failure { () throws(SystemError) in _ = try Socket.connect(to: address) } == nil
}

@Test(arguments: ["127.0.0.1", "localhost"])
func `port 0 is a port of the system's choice, and it can be connected to`(host: String) throws {
  let listener = try Socket.listen(on: .tcp(host: host, port: 0), sharesPort: false)
  #expect(listener.localPort != 0)
  #expect(connects(to: .tcp(host: host, port: listener.localPort)))
}

/// Whether this machine has IPv6 at all.
private let hasIPv6 = failure { () throws(SystemError) in
  _ = try Socket.listen(on: .tcp(host: "::1", port: 0), sharesPort: false)
} == nil

@Test(.enabled(if: hasIPv6)) func `an empty host is every address of both families`() throws {
  let listener = try Socket.listen(on: .tcp(host: "", port: 0), sharesPort: false)
  for host in ["127.0.0.1", "::1"] { #expect(connects(to: .tcp(host: host, port: listener.localPort))) }
}

@Test(.enabled(if: hasIPv6)) func `an IPv6 address is that address alone`() throws {
  let listener = try Socket.listen(on: .tcp(host: "::1", port: 0), sharesPort: false)
  #expect(connects(to: .tcp(host: "::1", port: listener.localPort)))
  #expect(!connects(to: .tcp(host: "127.0.0.1", port: listener.localPort)))
}

@Test func `a port is shared by those who say so, and by nobody else`() throws {
  let first = try Socket.listen(on: .tcp(host: "127.0.0.1", port: 0), sharesPort: true)
  let address = SocketAddress.tcp(host: "127.0.0.1", port: first.localPort)
  #expect(failure { () throws(SystemError) in _ = try Socket.listen(on: address, sharesPort: true) } == nil)
  let refused = failure { () throws(SystemError) in _ = try Socket.listen(on: address, sharesPort: false) }
  #expect(refused?.number == EADDRINUSE)
  #expect(refused?.description.contains("\(address)") == true)
}

@Test func `a host that does not exist is said by name`() {
  let refused = failure { () throws(SystemError) in
    _ = try Socket.listen(on: .tcp(host: "256.0.0.1", port: 0), sharesPort: false)
  }
  #expect(refused?.subject == "256.0.0.1")
}

@Test func `a socket file that nobody listens on is replaced`() throws {
  let path = temporaryPath()
  defer { unlink(path) }
  do { _ = try Socket.listen(on: .unix(path: path), sharesPort: false) }
  #expect(access(path, F_OK) == 0)  // left behind, as by a process that was killed
  let listener = try Socket.listen(on: .unix(path: path), sharesPort: false)
  #expect(connects(to: .unix(path: path)))
  #expect(listener.localPort == 0)
}

@Test func `a socket file that somebody listens on is left to them`() throws {
  let path = temporaryPath()
  defer { unlink(path) }
  let listener = try Socket.listen(on: .unix(path: path), sharesPort: false)
  let refused = failure { () throws(SystemError) in _ = try Socket.listen(on: .unix(path: path), sharesPort: false) }
  #expect(refused?.number == EADDRINUSE)
  #expect(connects(to: .unix(path: path)))
  _ = consume listener
}

/// A listener whose queue is full refuses with EAGAIN; it is no less there for that.
@Test func `a socket file whose listener is busy is left to it`() throws {
  let path = temporaryPath()
  defer { unlink(path) }
  let listener = Socket(owning: socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0))
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
  let size = socklen_t(MemoryLayout<sockaddr_un>.size)
  func withAddress(_ body: (UnsafePointer<sockaddr>) -> Int32) -> Int32 {
    withUnsafePointer(to: address) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body) }
  }
  #expect(withAddress { bind(listener.descriptor, $0, size) } == 0)
  #expect(listen(listener.descriptor, 0) == 0)
  var waiting: [Int32] = []
  defer { for descriptor in waiting { close(descriptor) } }
  while waiting.count < 8 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK, 0)
    waiting.append(descriptor)
    if withAddress({ connect(descriptor, $0, size) }) != 0 { break }
  }
  #expect(errno == EAGAIN)
  let refused = failure { () throws(SystemError) in _ = try Socket.listen(on: .unix(path: path), sharesPort: false) }
  #expect(refused?.number == EADDRINUSE)
  #expect(access(path, F_OK) == 0)
}

@Test func `a file that is no socket is not removed`() throws {
  let path = temporaryPath()
  defer { unlink(path) }
  close(open(path, O_CREAT | O_WRONLY, 0o600))
  let refused = failure { () throws(SystemError) in _ = try Socket.listen(on: .unix(path: path), sharesPort: false) }
  #expect(refused?.number == EADDRINUSE)
  #expect(access(path, F_OK) == 0)
}

@Test func `a path that is too long for a socket is refused with its name`() {
  let path = "/tmp/" + String(repeating: "x", count: 200)
  let refused = failure { () throws(SystemError) in _ = try Socket.listen(on: .unix(path: path), sharesPort: false) }
  #expect(refused?.number == ENAMETOOLONG)
  #expect(refused?.subject == path)
}
