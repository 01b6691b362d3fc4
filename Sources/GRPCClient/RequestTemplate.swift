internal import GRPC
package import HTTP2

/// The headers that every call of one method has, prepared once: HPACK then sends a byte for each.
///
/// Calls keep it alive while they need it. Used on one event loop's thread.
package final class RequestTemplate {
  /// What one call of the method gets back.
  package enum Answer { case one, stream }

  package let path: String
  let answer: Answer
  let headers: PreparedHeaders
  /// How this side's messages are compressed.
  let encoding: MessageEncoding

  /// - Parameters:
  ///   - path: `/package.Service/Method`.
  ///   - metadata: Further fields that every call has.
  package init(
    _ path: String, answer: Answer, options: ClientConnectionOptions, metadata: HeaderBlock? = nil
  ) {
    self.path = path
    self.answer = answer
    encoding = options.sendEncoding
    var block = HeaderBlock()
    defer { block.deallocate() }
    block.append(name: ":method", value: "POST")
    block.append(name: ":scheme", value: options.tls == nil ? "http" : "https")
    block.append(name: ":path", value: path)
    block.append(name: ":authority", value: options.authority)
    block.append(name: "te", value: "trailers")
    block.append(name: "content-type", value: "application/grpc")
    if !options.userAgent.isEmpty { block.append(name: "user-agent", value: options.userAgent) }
    if encoding != .identity { block.append(name: "grpc-encoding", value: "\(encoding.name)") }
    if options.acceptsCompression { block.append(name: "grpc-accept-encoding", value: "identity,deflate,gzip") }
    if let metadata {
      var cursor = 0
      while let field = metadata.next(&cursor) { block.append(name: field.name, value: field.value) }
    }
    headers = PreparedHeaders(copying: block)
  }

  deinit { headers.deallocate() }
}
