import Foundation
import GRPC
import GRPCClient
import Testing
import Transport

@Suite(.timeLimit(.minutes(1))) struct ClientTLSTests {
  /// A certificate for `localhost` that signs itself, in a folder of its own.
  final class Certificate {
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    var certificateFile: String { folder.appendingPathComponent("a.pem").path }
    var keyFile: String { folder.appendingPathComponent("a.key").path }

    init() throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let openssl = Process()
      openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      openssl.arguments = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", keyFile, "-out", certificateFile,
      ]
      openssl.standardError = FileHandle.nullDevice
      try openssl.run()
      openssl.waitUntilExit()
    }

    deinit { try? FileManager.default.removeItem(at: folder) }
  }

  private func server(_ certificate: Certificate, loops: Int = 1) throws -> TestServer {
    try TestServer {
      $0.addresses = [.tcp(host: "127.0.0.1", port: 0)]
      $0.loopCount = loops
      $0.tls = TLSConfiguration(certificateFile: certificate.certificateFile, keyFile: certificate.keyFile)
    }
  }

  @Test func `later connections to an address take the session up again, on whatever loop they come`() throws {
    let certificate = try Certificate()
    let server = try server(certificate, loops: 3)
    let harness = try Harness()
    let context = try TLSContext(clientTrusting: certificate.certificateFile)
    // All are open at once, so that they are on different loops.
    let connections = try (0..<6).map { index in
      let connection = try harness.connect(to: server.address) { $0.tls = context }
      connection.waitUntilReady()
      // The ticket comes with the first answer at the latest.
      #expect(try harness.call("/t.T/Echo", [1, 2], on: connection).now.messages == [[1, 2]])
      harness.onLoop { #expect(connection.connection?.wasResumed == (index > 0)) }
      return connection
    }
    #expect(server.server.connectionCounts == [2, 2, 2])
    harness.onLoop { for connection in connections { connection.connection?.close() } }
    let connection = try harness.connect(to: server.address) { $0.tls = context }
    connection.waitUntilReady()
    harness.onLoop { #expect(connection.connection?.wasResumed == true) }
  }

  @Test func `a session is not offered to another server, nor for another name`() throws {
    let certificate = try Certificate()
    let servers = [try server(certificate), try server(certificate)]
    let harness = try Harness()
    let context = try TLSContext(clientTrusting: certificate.certificateFile)
    for server in servers {
      let connection = try harness.connect(to: server.address) { $0.tls = context }
      connection.waitUntilReady()
      #expect(try harness.call("/t.T/Echo", on: connection).code == .ok)
      harness.onLoop { #expect(connection.connection?.wasResumed == false) }
    }
    let connection = try harness.connect(to: servers[0].address) {
      $0.tls = context
      $0.serverName = "elsewhere"
    }
    connection.wait { $0.closed != nil }
    guard case .tls(let reason) = connection.now.closed else {
      Issue.record("closed for another reason: \(String(describing: connection.now.closed))")
      return
    }
    #expect(reason.contains("certificate"))
  }

  @Test func `large messages pass both ways`() throws {
    let certificate = try Certificate()
    let server = try server(certificate)
    let harness = try Harness()
    let context = try TLSContext(clientTrusting: certificate.certificateFile)
    let connection = try harness.connect(to: server.address) { $0.tls = context }
    connection.waitUntilReady()
    let message = (0..<5_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let call = try harness.call("/t.T/Echo", message, on: connection)
    #expect(call.code == .ok)
    #expect(call.now.messages == [message])
  }

  @Test func `a server in the clear is no TLS server, and the reverse`() throws {
    let certificate = try Certificate()
    let harness = try Harness()
    let context = try TLSContext(clientTrusting: certificate.certificateFile)
    let clear = try TestServer()
    let connection = try harness.connect(to: clear.address) { $0.tls = context }
    connection.wait { $0.closed != nil }
    guard case .tls = connection.now.closed else {
      Issue.record("closed for another reason: \(String(describing: connection.now.closed))")
      return
    }
    let secure = try server(certificate)
    let plain = try harness.connect(to: secure.address)
    plain.wait { $0.closed != nil }
    #expect(!plain.now.isReady)
  }
}
