internal import CNghttp2

/// A header list made once and sent many times: nghttp2 neither copies nor frees its names and values.
///
/// Immutable and never freed, so make one for each kind of answer, not for each answer.
package struct PreparedHeaders: @unchecked Sendable {  // the memory is written before anyone sees it, and never again
  let fields: UnsafePointer<nghttp2_nv>
  let count: Int

  package init(_ headers: [(name: StaticString, value: StaticString)]) {
    let fields = UnsafeMutablePointer<nghttp2_nv>.allocate(capacity: max(headers.count, 1))
    for (index, header) in headers.enumerated() {
      fields[index] = nghttp2_nv(
        name: UnsafeMutablePointer(mutating: header.name.utf8Start),
        value: UnsafeMutablePointer(mutating: header.value.utf8Start),
        namelen: header.name.utf8CodeUnitCount, valuelen: header.value.utf8CodeUnitCount,
        flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue))
    }
    self.fields = UnsafePointer(fields)
    count = headers.count
  }
}

extension HeaderBlock {
  /// Calls `body` with the fields as nghttp2 takes them; it copies what it is given.
  func withFields<R>(_ body: (UnsafePointer<nghttp2_nv>, Int) -> R) -> R {
    withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: max(count, 1)) { fields in
      var cursor = 0
      var index = 0
      while let field = next(&cursor) {
        fields[index] = nghttp2_nv(
          name: UnsafeMutablePointer(mutating: field.name.baseAddress?.assumingMemoryBound(to: UInt8.self)),
          value: UnsafeMutablePointer(mutating: field.value.baseAddress?.assumingMemoryBound(to: UInt8.self)),
          namelen: field.name.count, valuelen: field.value.count, flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
        index += 1
      }
      guard let start = fields.baseAddress else { preconditionFailure("a temporary allocation has an address") }
      return body(UnsafePointer(start), count)
    }
  }
}
