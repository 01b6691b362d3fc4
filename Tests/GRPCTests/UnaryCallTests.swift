import GRPC
import HTTP2
import RawClient
import Testing
import Transport

@Test func `a unary call is answered with its message and status 0`() throws {
  let server = try TestServer()
  let client = try server.connect()
  for count in [0, 1, 100, 2049, 20_000, 3_000_000] {
    let message = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
    let reply = try client.call("/t.T/Echo", [message])
    #expect(reply.messages == [message])
    #expect(reply.status == 0 && reply.closeCode == 0)
    #expect(reply.headers["content-type"] == "application/grpc")
  }
  #expect(server.stop() == 0)
}

@Test func `a failure is headers alone, with its message and details encoded`() throws {
  let server = try TestServer()
  let reply = try server.connect().call("/t.T/Fail", [[1, 2, 255]])
  #expect(reply.status == 5 && reply.body.isEmpty)
  #expect(reply.message == "no %E2%82%ACuro")
  #expect(reply.headers["grpc-status-details-bin"] == "AQL/")
}

@Test(arguments: [
  ("/t.T/Nothing", "service t.T has no method 'Nothing'"), ("/t.U/Echo", "unknown service or method '/t.U/Echo'"),
])
func `what is not in the table is unimplemented`(path: String, text: String) throws {
  let server = try TestServer()
  let reply = try server.connect().call(path)
  #expect(reply.status == 12 && reply.message == text)
}

@Test func `what is not a gRPC call is told so in HTTP`() throws {
  let server = try TestServer()
  let client = try server.connect()
  let get = try client.open("/t.T/Echo", method: "GET")
  #expect(try client.finish(get).headers[":status"] == "405")
  for type in ["application/json", "application/grpc-web", "application/grpc+json", ""] {
    let id = try client.open("/t.T/Echo", type: type)
    let reply = try client.finish(id)  // while the request has not ended
    #expect(reply.headers[":status"] == "415" && reply.closeCode == 0)
    #expect(String(decoding: reply.body, as: UTF8.self).contains("application/grpc"))
  }
  for type in ["application/grpc", "application/grpc+proto", "application/grpc;v=1"] {
    let id = try client.open("/t.T/Echo", type: type)
    try client.send(framed([1]), on: id, ends: true)
    #expect(try client.finish(id).status == 0)
  }
}

@Test func `HTTP/1.1 is told to speak HTTP/2`() throws {
  let server = try TestServer()
  let client = try server.connect()
  client.sendRaw(Array("POST / HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
  let answer = client.readRaw()
  #expect(answer.hasPrefix("HTTP/1.1 505 ") && answer.contains("prior knowledge"))
}

@Test(arguments: [
  (framed([1]) + framed([2]), 12, "a second one came"), ([], 12, "none came"), ([0, 0, 0], 13, "inside a message"),
  ([0, 0, 0, 0, 9, 1, 2], 13, "inside a message"), ([2, 0, 0, 0, 0], 13, "compression flag is 2"),
  (framed([1], flag: 1), 13, "names no encoding"),
] as [([UInt8], Int, String)])
func `a body that is not one message is refused with the reason`(body: [UInt8], status: Int, text: String) throws {
  let server = try TestServer()
  let client = try server.connect()
  let id = try client.open("/t.T/Echo")
  try client.send(body, on: id, ends: true)
  let reply = try client.finish(id)
  #expect(reply.status == status && reply.message.contains(text), "\(reply)")
  #expect(try client.call("/t.T/Echo").status == 0)
  #expect(server.stop() == 0)
}

@Test(arguments: [("grpc-timeout", "abc", 13), ("grpc-encoding", "br", 12)])
func `a header that can't be read is refused with what was given`(name: String, value: String, status: Int) throws {
  let server = try TestServer()
  let reply = try server.connect().call("/t.T/Echo", [[1]], [(name, value)])
  #expect(reply.status == status && reply.message.contains("'\(value)'"))
}

@Test func `headers over the limit are refused with the limit`() throws {
  let server = try TestServer { $0.http2.maxHeaderListBytes = 2000 }
  let reply = try server.connect().call("/t.T/Echo", [[1]], [("x", String(repeating: "y", count: 3000))])
  #expect(reply.status == 8 && reply.message.contains("2000"))
}

/// The client has sent the prefix and a little of 2 MB; the answer must not wait for the rest.
@Test func `a message over the limit is refused while it is still being sent`() throws {
  let server = try TestServer { $0.maxMessageBytes = 1_000_000 }
  let client = try server.connect()
  let id = try client.open("/t.T/Echo")
  try client.send(Array(framed([UInt8](repeating: 0, count: 2_000_000)).prefix(100_000)), on: id)
  let reply = try client.finish(id)
  #expect(reply.status == 8 && reply.message.contains("2000000 bytes") && reply.message.contains("1000000"))
  #expect(reply.ended && reply.closeCode == HTTP2ErrorCode.noError.rawValue)
  #expect(try client.call("/t.T/Echo", [[7]]).messages == [[7]])
  #expect(server.stop() == 0)
}

@Test func `messages over the memory budget are refused, and it is free again afterwards`() throws {
  let server = try TestServer { $0.memoryBytes = 3_000_000 }
  let client = try server.connect()
  try client.greet()
  let message = [UInt8](repeating: 1, count: 1_000_000)
  var ids: [Int32] = []
  for _ in 0..<2 {
    ids.append(try client.open("/t.T/Park"))
    try client.send(framed(message), on: ids[ids.count - 1], ends: true)
  }
  server.park.arrived.wait(for: 2)
  let refused = try client.call("/t.T/Echo", [message])
  #expect(refused.status == 8 && refused.message.contains("memory-bytes"))
  server.park.letGo()
  for id in ids { #expect(try client.finish(id).messages == [message]) }
  #expect(try client.call("/t.T/Echo", [message]).status == 0)
  #expect(server.stop() == 0)
}

@Test func `a call past its deadline is answered at once, and its handler is told`() throws {
  let server = try TestServer()
  let client = try server.connect()
  let reply = try client.call("/t.T/Park", [[1]], [("grpc-timeout", "5m")])
  #expect(reply.status == 4)
  server.park.cancelled.wait(for: 1)
  server.park.letGo()  // too late: without effect
  #expect(try client.call("/t.T/Echo", [[7]]).status == 0)
  #expect(server.stop() == 0)
}

@Test func `a call whose deadline passes while its message is sent is answered too`() throws {
  let server = try TestServer()
  let client = try server.connect()
  let id = try client.open("/t.T/Echo", [("grpc-timeout", "5m")])
  try client.send([0, 0, 0], on: id)
  #expect(try client.finish(id).status == 4)
  #expect(server.stop() == 0)
}

@Test func `a request that stops coming is dropped after the stall timeout`() throws {
  let server = try TestServer { $0.stallTimeout = .milliseconds(20) }
  let client = try server.connect()
  let id = try client.open("/t.T/Echo")
  try client.send([0, 0, 0, 1, 0, 5], on: id)
  #expect(try client.finish(id).status == 1)
  #expect(server.stop() == 0)
}

@Test func `a cancelled call tells its handler, which still ends it`() throws {
  let server = try TestServer()
  let client = try server.connect()
  try client.greet()
  let id = try client.open("/t.T/Park")
  try client.send(framed([UInt8](repeating: 1, count: 100_000)), on: id, ends: true)
  server.park.arrived.wait(for: 1)
  try client.reset(id)
  server.park.cancelled.wait(for: 1)
  #expect(server.server.memory.usedBytes > 0)  // the handler still has the message
  server.park.letGo()
  #expect(try client.call("/t.T/Echo", [[7]]).status == 0)
  #expect(server.stop() == 0)
}

@Test func `a lost connection cancels its calls`() throws {
  let server = try TestServer()
  do {
    let client = try server.connect()
    for number in 1...3 {
      let id = try client.open("/t.T/Park")
      try client.send(framed([1]), on: id, ends: true)
      server.park.arrived.wait(for: number)
    }
    let id = try client.open("/t.T/Echo")
    try client.send(Array(framed([UInt8](repeating: 1, count: 50_000)).prefix(1000)), on: id)
  }
  server.park.cancelled.wait(for: 3)
  server.park.letGo()
  #expect(try server.connect().call("/t.T/Echo").status == 0)
  #expect(server.stop() == 0)
}

@Test func `a compressed request is answered in the encoding that was agreed on`() throws {
  var options = GRPCOptions()
  options.responseEncoding = .gzip
  let server = try TestServer(options: options)
  let client = try server.connect()
  let message = [UInt8](repeating: 6, count: 50_000)
  for encoding in [MessageEncoding.gzip, .deflate] {
    let packed = message.withUnsafeBytes { encoding.compress([$0]) ?? [] }
    let id = try client.open("/t.T/Echo", [("grpc-encoding", "\(encoding.name)"), ("grpc-accept-encoding", "gzip")])
    try client.send(framed(packed, flag: 1), on: id, ends: true)
    let reply = try client.finish(id)
    #expect(reply.headers["grpc-encoding"] == "gzip" && reply.body.first == 1)
    let answer = try #require(reply.messages.first)
    #expect(try answer.withUnsafeBytes { bytes throws in try MessageEncoding.gzip.decompress(bytes, limit: 50_000) } == message)
  }
  // Who does not ask for it does not get it.
  #expect(try client.call("/t.T/Echo", [message]).messages == [message])
  #expect(server.stop() == 0)
}

@Test func `a bomb is refused at the limit, and garbage for what it is`() throws {
  let server = try TestServer { $0.maxMessageBytes = 1 << 20 }
  let client = try server.connect()
  let bomb = [UInt8](repeating: 0, count: 32 << 20).withUnsafeBytes { MessageEncoding.gzip.compress([$0]) ?? [] }
  for (bytes, status, text) in [(bomb, 8, "after decompression"), ([1, 2, 3], 13, "not valid gzip")] {
    let id = try client.open("/t.T/Echo", [("grpc-encoding", "gzip")])
    try client.send(framed(bytes, flag: 1), on: id, ends: true)
    let reply = try client.finish(id)
    #expect(reply.status == status && reply.message.contains(text))
  }
  #expect(server.stop() == 0)
}
