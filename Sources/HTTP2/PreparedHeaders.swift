internal import CNghttp2

/// A header list made once and sent many times: nghttp2 neither copies nor frees its names and values.
///
/// Immutable. One of static strings is never freed, so make one for each kind of answer, not for each answer; a copied
/// one is freed by `deallocate`.
package struct PreparedHeaders: @unchecked Sendable {  // the memory is written before anyone sees it, and never again
  let fields: UnsafePointer<nghttp2_nv>
  package let count: Int

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

  /// A copy, in one block: the fields, and behind them their bytes.
  package init(copying block: borrowing HeaderBlock) {
    var byteCount = block.count * MemoryLayout<nghttp2_nv>.stride
    let firstByte = byteCount
    var cursor = 0
    while let field = block.next(&cursor) { byteCount += field.name.count + field.value.count }
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: max(byteCount, 1), alignment: MemoryLayout<nghttp2_nv>.alignment)
    let fields = memory.bindMemory(to: nghttp2_nv.self, capacity: block.count)
    var end = memory + firstByte
    func place(_ bytes: UnsafeRawBufferPointer) -> UnsafeMutablePointer<UInt8> {
      defer { end += bytes.count }
      if let source = bytes.baseAddress { end.copyMemory(from: source, byteCount: bytes.count) }
      return end.assumingMemoryBound(to: UInt8.self)
    }
    cursor = 0
    var index = 0
    while let field = block.next(&cursor) {
      fields[index] = nghttp2_nv(
        name: place(field.name), value: place(field.value), namelen: field.name.count, valuelen: field.value.count,
        flags: UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue))
      index += 1
    }
    self.fields = UnsafePointer(fields)
    count = block.count
  }

  /// Adds the fields from an index on to a list that is made for one answer.
  package func append(to block: inout HeaderBlock, from first: Int) {
    for index in first..<max(first, count) {
      block.append(
        name: UnsafeRawBufferPointer(start: fields[index].name, count: fields[index].namelen),
        value: UnsafeRawBufferPointer(start: fields[index].value, count: fields[index].valuelen))
    }
  }

  /// Frees a copied list. No request with it may still wait to be sent.
  package func deallocate() { UnsafeMutableRawPointer(mutating: fields).deallocate() }
}

extension HeaderBlock.Field {
  /// As nghttp2 takes it: it copies both, and no table remembers them.
  var neverIndexed: nghttp2_nv {
    nghttp2_nv(
      name: UnsafeMutablePointer(mutating: name.baseAddress?.assumingMemoryBound(to: UInt8.self)),
      value: UnsafeMutablePointer(mutating: value.baseAddress?.assumingMemoryBound(to: UInt8.self)),
      namelen: name.count, valuelen: value.count, flags: UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue))
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
