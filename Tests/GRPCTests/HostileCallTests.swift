import GRPC
import HTTP2
import Inference
import RawClient
import Testing
import Transport

/// Sixteen streams claim 1 MB each of a budget of 3 MB, and send nothing of it.
@Test func `what a prefix claims takes no memory before it is sent`() throws {
  let server = try TestServer { $0.memoryBytes = 3_000_000 }
  let hostile = try server.connect()
  try hostile.greet()
  var ids: [Int32] = []
  for _ in 0..<16 {
    ids.append(try hostile.open("/t.T/Echo"))
    try hostile.send(Array(framed([UInt8](repeating: 1, count: 1_000_000))[..<5]), on: ids[ids.count - 1])
  }
  let message = [UInt8](repeating: 2, count: 500_000)
  #expect(try hostile.call("/t.T/Echo", [message]).messages == [message])
  for id in ids { try hostile.reset(id) }
  #expect(try hostile.call("/t.T/Echo", [message]).status == 0)
  #expect(server.stop() == 0)
}

@Test func `a message that grows out of the budget as it comes is refused`() throws {
  let server = try TestServer { $0.memoryBytes = 1_000_000 }
  let client = try server.connect()
  try client.greet()
  let reply = try client.call("/t.T/Echo", [[UInt8](repeating: 1, count: 2_000_000)])
  #expect(reply.status == 8 && reply.message.contains("memory-bytes"))
  #expect(try client.call("/t.T/Echo", [[1]]).status == 0)
  #expect(server.stop() == 0)
}

@Test(.timeLimit(.minutes(1)))
func `a stream that stalls inside a message is given up, and one that rests between two is not`() throws {
  let server = try TestServer { $0.stallTimeout = .milliseconds(50) }
  let client = try server.connect()
  try client.greet()
  let resting = try client.open("/t.T/Stream")
  try client.send(framed([1]), on: resting)
  let stalled = try client.open("/t.T/Stream")
  try client.send(Array(framed([UInt8](repeating: 1, count: 1000))[..<20]), on: stalled)
  let reply = try client.finish(stalled)
  #expect(reply.status == 1 && reply.message.contains("stall-timeout"))
  try client.send([], on: resting, ends: true)
  #expect(try client.finish(resting).status == 0)
}

/// 8 MB of zeros are 8 kB of gzip: they fit in the budget only while they are compressed.
@Test func `a compressed message is inflated no further than the budget goes`() throws {
  let server = try TestServer { $0.memoryBytes = 4_000_000 }
  let client = try server.connect()
  let zeros = [UInt8](repeating: 0, count: 8_000_000)
  let bomb = zeros.withUnsafeBytes { MessageEncoding.gzip.compress([$0]) } ?? []
  let id = try client.open("/t.T/Echo", [("grpc-encoding", "gzip")])
  try client.send(framed(bomb, flag: 1), on: id, ends: true)
  let reply = try client.finish(id)
  #expect(reply.status == 8 && reply.message.contains("memory-bytes"))
  #expect(server.stop() == 0)
}

@Test func `a status text is cut to what clients take, between characters`() throws {
  let server = try TestServer()
  let client = try server.connect()
  let reply = try client.call("/t.T/" + String(repeating: "x", count: 10_000))
  #expect(reply.status == 12)
  let text = percentDecoded(reply.message.utf8)
  #expect(text.utf8.count <= 2048 + 3 && text.hasSuffix("…"))
}

@Test func `HEAD is refused without content`() throws {
  let server = try TestServer()
  let client = try server.connect()
  let reply = try client.finish(client.open("/t.T/Echo", method: "HEAD"))
  #expect(reply.headers[":status"] == "405" && reply.body.isEmpty)
}
