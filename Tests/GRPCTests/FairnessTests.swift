import EventLoops
import GRPC
import HTTP2
import RawClient
import Testing
import Transport

@Suite(.timeLimit(.minutes(1))) struct FairnessTests {
  /// The client asks for 64 MiB, then for twenty small answers, and reads nothing before the server has given them all.
  @Test func `small answers come between the parts of a large one on the same connection`() throws {
    let server = try TestServer()
    var settings = HTTP2Settings()
    settings.streamWindowBytes = 1 << 27
    settings.connectionWindowBytes = 1 << 28
    let client = try server.connect(settings)
    try client.greet()
    let large = try client.open("/t.T/Big")
    try client.send(framed([UInt8](repeating: 1, count: 65536)), on: large, ends: true)
    try client.wait { (client.replies[large]?.body.count ?? 0) > 0 }
    let small = try (0..<20).map { index in
      let id = try client.open("/t.T/Park")
      try client.send(framed([UInt8(index)]), on: id, ends: true)
      return id
    }
    server.park.arrived.wait(for: 20)
    server.park.letGo()
    let before = client.replies[large]?.body.count ?? 0
    for (index, id) in small.enumerated() { #expect(try client.finish(id).messages == [[UInt8(index)]]) }
    let between = (client.replies[large]?.body.count ?? 0) - before
    // What was on its way already: the output buffer, the socket's, and a frame for each of the small ones.
    #expect(between < 2 << 20, "\(between) bytes of the large answer went before the small ones")
    #expect(try client.finish(large).messages.first?.count == 64 << 20)
  }

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
