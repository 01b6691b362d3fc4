import Glibc
import Inference
import Testing
import Wire

/// Decodes a request and encodes its answer over and over, in the memory of one call. `BENCH_ROUNDS` makes the run long
/// enough to read the time.
@Test func `decoding and answering in a recycled call takes no new memory`() throws {
  let rounds = getenv("BENCH_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 1000
  let message = field(1, "identity") + field(3, "r-1") + input("x", "UINT8", [1, 64]) + raw([UInt8](repeating: 7, count: 64))
  let call = Call()
  let request = call.request
  var used = 0
  var answerBytes = 0
  let start = Instant.now()
  try message.withUnsafeBytes { message in
    for _ in 0..<rounds {
      request.pointee.arena.pointee.reset()
      try decodeModelInferRequest(message: message, into: request)
      request.pointee.outputs = request.pointee.inputs
      let segments = try #require(
        encodeModelInferResponse(
          request, modelName: request.pointee.modelName, modelVersion: request.pointee.modelName, headroom: 5))
      answerBytes += segments.reduce(0) { $0 + $1.bytes.count }
      if used == 0 { used = request.pointee.arena.pointee.usedBytes }
      guard request.pointee.arena.pointee.usedBytes == used else { break }
    }
  }
  print("codec: \(Instant.now().nanoseconds(since: start) / UInt64(rounds)) ns a request and its answer of 64 bytes")
  #expect(request.pointee.arena.pointee.usedBytes == used)
  #expect(answerBytes % rounds == 0 && answerBytes / rounds > 64)
}
