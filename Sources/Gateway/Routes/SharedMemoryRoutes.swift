internal import HTTPTypes
internal import HummingbirdCore
internal import Inference
internal import Serving

extension GatewayRoutes {
  /// Regions of shared memory: what there is, and their coming and going. (Triton, "Shared-Memory Extension".)
  package mutating func addSharedMemory(_ host: GatewayHost) {
    for path in ["/v2/systemsharedmemory", "/v2/systemsharedmemory/region/{region}"] {
      add(.get, "\(path)/status", errors: .protocolError) { call in
        let entries = try host.sharedMemory(for: call).entries(call.parameter("region"))
        return .json(.ok, JSONDocument.list(entries.map(SharedMemoryRoutes.entry)).bytes)
      }
      add(.post, "\(path)/unregister", errors: .protocolError) { call in
        let regions = try host.sharedMemory(for: call)
        _ = try await call.readBody()
        regions.unregister(call.parameter("region"))
        return Response(status: .ok)
      }
    }
    add(.post, "/v2/systemsharedmemory/region/{region}/register", errors: .protocolError) { call in
      let regions = try host.sharedMemory(for: call)
      let wanted = try SharedMemoryRoutes.registration(try await call.readBody())
      try regions.register(call.parameter("region"), key: wanted.key, offset: wanted.offset, byteSize: wanted.byteSize)
      return Response(status: .ok)
    }
    for path in ["/v2/cudasharedmemory", "/v2/cudasharedmemory/region/{region}"] {
      add(.get, "\(path)/status", errors: .protocolError) { _ in throw SharedMemoryRegions.noCUDA }
      add(.post, "\(path)/unregister", errors: .protocolError) { _ in throw SharedMemoryRegions.noCUDA }
    }
    add(.post, "/v2/cudasharedmemory/region/{region}/register", errors: .protocolError) { _ in
      throw SharedMemoryRegions.noCUDA
    }
  }
}

extension GatewayHost {
  /// The regions, for one who may share memory.
  ///
  /// - Throws: `HTTPFailure` 400 where nobody may; `.permissionDenied` if the caller may not. A page in a browser never may:
  ///   it can reach a server on its user's machine, and its user knows nothing of it.
  func sharedMemory(for call: GatewayCall) throws -> SharedMemoryRegions {
    guard let sharedMemory else { throw HTTPFailure(.badRequest, SharedMemoryRegions.notAllowed.message) }
    try sharedMemory.checkCaller(isPrivate: call.isPrivate)
    guard call.header(.origin) == nil else {
      throw InferenceError.permissionDenied("this server shares no memory with pages in a browser, which send an Origin")
    }
    return sharedMemory
  }
}

private enum SharedMemoryRoutes {
  struct Registration {
    var key: String
    var offset: UInt64
    var byteSize: UInt64
  }

  static func entry(_ entry: SharedMemoryRegions.Entry) -> JSONDocument {
    [
      "name": .string(entry.name), "key": .string(entry.key), "offset": .integer(Int64(clamping: entry.offset)),
      "byte_size": .integer(Int64(clamping: entry.byteSize)),
    ]
  }

  /// `{"key": "/object", "offset": 0, "byte_size": 4096}`; without an offset from the object's start on.
  static func registration(_ body: ReceivedBody) throws(InferenceError) -> Registration {
    var key: String?
    var offset: UInt64 = 0
    var byteSize: UInt64?
    do throws(JSONFault) {
      var scanner = JSONScanner(body.bytes)
      try scanner.object { scanner, name throws(JSONFault) in
        if name.equals("key") {
          key = try scanner.string().text
        } else if name.equals("offset") {
          offset = try UInt64.read(&scanner)
        } else if name.equals("byte_size") {
          byteSize = try UInt64.read(&scanner)
        } else {
          throw JSONFault("expected 'key', 'offset' and 'byte_size' only", at: scanner.offset)
        }
      }
      try scanner.expectEnd()
      guard key != nil else { throw JSONFault("'key' is missing: expected the name of a shared memory object", at: 0) }
      guard byteSize != nil else { throw JSONFault("'byte_size' is missing: expected the size of the region", at: 0) }
    } catch { throw error.error }
    return Registration(key: key ?? "", offset: offset, byteSize: byteSize ?? 0)
  }
}
