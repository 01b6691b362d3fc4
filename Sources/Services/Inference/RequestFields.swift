internal import GRPC
internal import Inference

// Header fields of a call that say something of the request in it, and of those that go back with the answer.

extension UnaryCall {
  /// Notes who asks and for whom, and has the caller's own numbers sent back. Valid as long as the caller is there.
  func readFields(into request: RequestPointer) {
    request.pointee.connection = connectionID
    let notable = notable
    if notable.isEmpty { return }
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    if notable.contains(.authorization) { request.pointee.credential = metadata("authorization") ?? none }
    if notable.contains(.certificate) { request.pointee.certificate = certificate }
    if notable.contains(.privateAddress) { request.pointee.isPrivate = true }
    if notable.contains(.pin) { request.pointee.pin = metadata("azureml-model-deployment") ?? none }
    if notable.contains(.routingKey) { request.pointee.routingKey = metadata("apus-routing-key") ?? none }
    if notable.contains(.requestID) { echo("x-request-id") }
    if notable.contains(.clientRequestID) { echo("x-ms-client-request-id") }
  }

  /// The value of the header `authorization`; empty where there is none.
  var authorization: UnsafeRawBufferPointer {
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    return notable.contains(.authorization) ? metadata("authorization") ?? none : none
  }

  private func echo(_ name: StaticString) {
    guard let value = metadata(name) else { return }
    withRequestID(value) { if $0.count > 0 { addInitialMetadata(name, $0) } }
  }
}

/// Lends what of a caller's number goes back to it: letters, digits, `-` and `_`, and no more than 40 of them.
///
/// Source: "Troubleshoot online endpoints", the rule for `x-ms-client-request-id`.
func withRequestID<Result>(_ value: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
  withUnsafeTemporaryAllocation(byteCount: 40, alignment: 1) { kept in
    var count = 0
    var index = 0
    while count < kept.count, index < value.count {
      switch value[index] {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        kept[count] = value[index]
        count += 1
      default: break
      }
      index += 1
    }
    return body(UnsafeRawBufferPointer(rebasing: kept[..<count]))
  }
}

/// The fields of one stream, copied: its headers may not be there for its later messages.
final class StreamFields {
  let credential: UnsafeRawBufferPointer
  let certificate: UnsafeRawBufferPointer
  let pin: UnsafeRawBufferPointer
  let routingKey: UnsafeRawBufferPointer
  let isPrivate: Bool
  let connection: UInt

  init(_ stream: ServerStream) {
    let notable = stream.notable
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    func copy(_ field: NotableFields, _ name: StaticString) -> UnsafeRawBufferPointer {
      notable.contains(field) ? copy(stream.metadata(name) ?? none) : none
    }
    func copy(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
      guard value.count > 0 else { return none }
      let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: value.count, alignment: 1)
      copy.copyMemory(from: value)
      return UnsafeRawBufferPointer(copy)
    }
    credential = copy(.authorization, "authorization")
    pin = copy(.pin, "azureml-model-deployment")
    routingKey = copy(.routingKey, "apus-routing-key")
    certificate = copy(stream.certificate)
    isPrivate = stream.isPrivate
    connection = stream.connectionID
    for (field, name): (NotableFields, StaticString) in [
      (.requestID, "x-request-id"), (.clientRequestID, "x-ms-client-request-id"),
    ] where notable.contains(field) {
      guard let value = stream.metadata(name) else { continue }
      withRequestID(value) { stream.addInitialMetadata("\(name)", String(decoding: $0, as: UTF8.self)) }
    }
  }

  deinit {
    credential.deallocate()
    certificate.deallocate()
    pin.deallocate()
    routingKey.deallocate()
  }

  func write(to request: RequestPointer) {
    request.pointee.credential = credential
    request.pointee.certificate = certificate
    request.pointee.isPrivate = isPrivate
    request.pointee.connection = connection
    request.pointee.pin = pin
    request.pointee.routingKey = routingKey
  }
}
