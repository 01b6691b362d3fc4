internal import CONNXRuntime

extension Runtime {
  /// How many of the model's nodes went to which provider, such as `CPUExecutionProvider: 94 nodes`; only the provider
  /// that was asked for where the library is too old to say.
  func placement(of session: OpaquePointer, on device: SessionSettings.Device) -> String {
    if let counts = nodeCounts(of: session), !counts.isEmpty {
      return counts.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value) nodes" }.joined(separator: ", ")
    }
    switch device {
    case .cpu: return "CPUExecutionProvider"
    case .cuda: return "CUDAExecutionProvider"
    }
  }

  private func nodeCounts(of session: OpaquePointer) -> [String: Int]? {
    guard let subgraphsOf = api.Session_GetEpGraphAssignmentInfo, let nameOf = api.EpAssignedSubgraph_GetEpName,
      let nodesOf = api.EpAssignedSubgraph_GetNodes
    else { return nil }
    return try? {
      // All of it belongs to the session.
      var subgraphs: UnsafePointer<OpaquePointer?>?
      var count = 0
      try api.check(subgraphsOf(session, &subgraphs, &count))
      var counts: [String: Int] = [:]
      for index in 0..<count {
        var name: UnsafePointer<CChar>?
        var nodes: UnsafePointer<OpaquePointer?>?
        var nodeCount = 0
        try api.check(nameOf(subgraphs?[index], &name))
        try api.check(nodesOf(subgraphs?[index], &nodes, &nodeCount))
        counts[name.map { String(cString: $0) } ?? "", default: 0] += nodeCount
      }
      return counts
    }()
  }

  /// Bytes that the session's arena for `memory` has taken from the device, or nil where the library does not say.
  func arenaBytes(of session: OpaquePointer, memory: OpaquePointer) -> UInt64? {
    guard let statisticsOf = api.AllocatorGetStats, let get = api.GetKeyValue, let release = api.ReleaseKeyValuePairs
    else { return nil }
    return try? {
      let allocator = try api.create { api.CreateAllocator(session, memory, $0) }
      defer { api.ReleaseAllocator(allocator) }
      let statistics = try api.create { statisticsOf(allocator, $0) }
      defer { release(statistics) }
      return get(statistics, "TotalAllocated").flatMap { UInt64(String(cString: $0)) }
    }()
  }

  /// The same for the GPU's arena.
  func cudaArenaBytes(of session: OpaquePointer, device: Int) -> UInt64? {
    guard
      let memory = try? api.create({
        api.CreateMemoryInfo("Cuda", deviceAllocator, Int32(device), defaultMemory, $0)
      })
    else { return nil }
    defer { api.ReleaseMemoryInfo(memory) }
    return arenaBytes(of: session, memory: memory)
  }
}
