/// A serialised `google.rpc.Status` with one detail, a `google.rpc.RetryInfo`: what `grpc-status-details-bin` says of a
/// refusal that is worth another try.
///
/// ```
/// Status { 1: code  2: message  3: Any { 1: type_url  2: RetryInfo { 1: Duration { 1: seconds  2: nanos } } } }
/// ```
///
/// Source: googleapis, google/rpc/status.proto and error_details.proto; protobuf, any.proto and duration.proto.
package func encodedRetryDetail(code: Int, message: String, retryAfterNanoseconds: UInt64) -> [UInt8] {
  let delay = varintField(1, retryAfterNanoseconds / 1_000_000_000) + varintField(2, retryAfterNanoseconds % 1_000_000_000)
  let detail =
    bytesField(1, Array("type.googleapis.com/google.rpc.RetryInfo".utf8)) + bytesField(2, bytesField(1, delay))
  return varintField(1, UInt64(code)) + bytesField(2, Array(message.utf8)) + bytesField(3, detail)
}

private func varintField(_ number: UInt8, _ value: UInt64) -> [UInt8] { value == 0 ? [] : [number << 3] + varint(value) }

private func bytesField(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
  [number << 3 | 2] + varint(UInt64(bytes.count)) + bytes
}

private func varint(_ value: UInt64) -> [UInt8] {
  var bytes: [UInt8] = []
  var rest = value
  while rest >= 0x80 {
    bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
    rest >>= 7
  }
  return bytes + [UInt8(rest)]
}
