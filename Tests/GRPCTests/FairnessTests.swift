import EventLoops
import GRPC
import HTTP2
import Testing
import Transport

@Suite(.timeLimit(.minutes(1))) struct FairnessTests {
  @Test func `a few connections are shared out evenly over the loops`() throws {
    for address in [nil, SocketAddress.tcp(host: "127.0.0.1", port: 0)] {
      let server = try TestServer(loopCount: 4, address: address)
      let clients = try (0..<8).map { _ in
        let client = try server.connect()
        try client.greet()
        return client
      }
      #expect(server.server.connectionCounts == [2, 2, 2, 2])
      for client in clients { #expect(try client.call("/t.T/Echo", [[1]]).messages == [[1]]) }
    }
  }
}
