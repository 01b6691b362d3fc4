import Foundation
import GRPC
import GRPCClient
import Testing
import Transport

/// What a call says of whoever sent it: real connections, and certificates that OpenSSL made for the test.
@Suite(.timeLimit(.minutes(1))) struct PeerTests {
  /// An authority, and what it signed. In a folder of its own.
  final class Authority {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    var file: String { path("authority.pem") }

    init() throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try openssl(
        ["req", "-x509"] + Authority.key + ["-days", "2", "-subj", "/CN=authority"]
          + ["-keyout", path("authority.key"), "-out", file])
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    /// Makes `name.pem` and `name.key`.
    func sign(_ name: String, subject: String, alternativeNames: String) throws {
      try openssl(
        ["req"] + Authority.key + ["-utf8", "-subj", subject, "-keyout", path("\(name).key"), "-out", path("\(name).csr")])
      try "subjectAltName=\(alternativeNames)\n".write(toFile: path("\(name).cnf"), atomically: true, encoding: .utf8)
      try openssl(
        ["x509", "-req", "-in", path("\(name).csr"), "-CA", file, "-CAkey", path("authority.key"), "-CAcreateserial"]
          + ["-days", "2", "-extfile", path("\(name).cnf"), "-out", path("\(name).pem")])
    }

    /// A client's context with a certificate of this authority, or with none.
    func client(_ name: String = "") throws -> TLSContext {
      if name.isEmpty { return try TLSContext(clientTrusting: file) }
      return try TLSContext(
        clientTrusting: file, certificateFile: path("\(name).pem"), keyFile: path("\(name).key"))
    }

    private static let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

    private func openssl(_ arguments: [String]) throws {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = ["openssl"] + arguments
      process.standardError = FileHandle.nullDevice
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      process.waitUntilExit()
      try #require(process.terminationStatus == 0)
    }
  }

  private func server(_ authority: Authority) throws -> TestServer {
    try authority.sign("server", subject: "/CN=localhost", alternativeNames: "DNS:localhost")
    var options = GRPCOptions()
    options.identifyPeer = { certificate in
      certificate.subject.contains("nobody")
        ? nil : "\(certificate.subject) \(certificate.alternativeNames.joined(separator: " "))"
    }
    return try TestServer(options: options) {
      $0.addresses = [.tcp(host: "127.0.0.1", port: 0)]
      $0.tls = TLSConfiguration(certificateFile: authority.path("server.pem"), keyFile: authority.path("server.key"))
      $0.tls?.clientCAFile = authority.file
    }
  }

  private func ask(_ harness: Harness, _ connection: ConnectionRecorder) throws -> String {
    String(decoding: try harness.call("/t.T/Peer", on: connection).now.messages.first ?? [], as: UTF8.self)
  }

  @Test func `a call says by which kind of address it came in`() throws {
    let path = "/tmp/apus-private-\(UUID().uuidString).sock"
    let server = try TestServer { $0.privateAddresses = [.unix(path: path)] }
    #expect(server.server.privateAddresses == [.unix(path: path)])
    let harness = try Harness()
    for (address, way) in [(server.address, " public"), (.unix(path: path), " private"), (server.address, " public")] {
      let connection = try harness.connect(to: address)
      connection.waitUntilReady()
      // Twice: the second call is the first one's memory.
      for _ in 0..<2 { #expect(try ask(harness, connection) == way) }
      let stream = try #require(harness.start("/t.T/PeerStream", on: connection, answer: .stream))
      stream.send([1], ends: true)
      stream.waitForEnd()
      #expect(stream.now.messages == [Array(way.utf8)])
    }
  }

  @Test func `a call says who its client is by its certificate, and on a session that is taken up again too`() throws {
    let authority = try Authority()
    let server = try server(authority)
    try authority.sign(
      "client", subject: "/O=Ex, ample/CN=scörer",
      alternativeNames: "URI:spiffe://example.org/scorer,DNS:scorer.example.org,IP:127.0.0.1,email:a@example.org")
    let harness = try Harness()
    let context = try authority.client("client")
    let expected =
      #"CN=sc\C3\B6rer,O=Ex\, ample URI:spiffe://example.org/scorer DNS:scorer.example.org public"#
    for isResumed in [false, true] {
      let connection = try harness.connect(to: server.address) {
        $0.tls = context
        $0.serverName = "localhost"
      }
      connection.waitUntilReady()
      for _ in 0..<2 { #expect(try ask(harness, connection) == expected) }
      harness.onLoop { #expect(connection.connection?.wasResumed == isResumed) }
      let stream = try #require(harness.start("/t.T/PeerStream", on: connection, answer: .stream))
      stream.send([1], ends: true)
      stream.waitForEnd()
      #expect(stream.now.messages == [Array(expected.utf8)])
    }
  }

  @Test func `a client without a certificate is nobody, and so is one whose certificate says nothing`() throws {
    let authority = try Authority()
    let server = try server(authority)
    try authority.sign("nobody", subject: "/CN=nobody", alternativeNames: "IP:127.0.0.1")
    let harness = try Harness()
    for name in ["", "nobody"] {
      let context = try authority.client(name)
      let connection = try harness.connect(to: server.address) {
        $0.tls = context
        $0.serverName = "localhost"
      }
      connection.waitUntilReady()
      #expect(try ask(harness, connection) == " public")
    }
  }
}
