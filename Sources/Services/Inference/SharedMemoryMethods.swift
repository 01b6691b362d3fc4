internal import GRPC
internal import Inference
internal import Serving
internal import Wire

/// SystemSharedMemoryStatus, -Register and -Unregister, where the operator allows them. Those for CUDA say that there is no
/// such memory here.
extension MethodTable {
  mutating func addSharedMemoryMethods(_ door: ServingDoor) {
    let status = messageMethod { (request: SystemSharedMemoryStatusRequest, call: UnaryCall) throws(InferenceError) in
      var response = SystemSharedMemoryStatusResponse(regions: [:])
      for entry in try regions(door, call).entries(request.name) {
        response.regions[entry.name] = SystemSharedMemoryStatusResponse.Region(
          name: entry.name, key: entry.key, offset: entry.offset, byteSize: entry.byteSize)
      }
      return response
    }
    let register = messageMethod { (request: SystemSharedMemoryRegisterRequest, call: UnaryCall) throws(InferenceError) in
      try regions(door, call).register(
        request.name, key: request.key, offset: request.offset, byteSize: request.byteSize)
      return SystemSharedMemoryRegisterResponse()
    }
    let unregister = messageMethod {
      (request: SystemSharedMemoryUnregisterRequest, call: UnaryCall) throws(InferenceError) in
      try regions(door, call).unregister(request.name)
      return SystemSharedMemoryUnregisterResponse()
    }
    add(inferenceService, "SystemSharedMemoryStatus", status)
    add(inferenceService, "SystemSharedMemoryRegister", register)
    add(inferenceService, "SystemSharedMemoryUnregister", unregister)
    for method in ["CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister"] {
      add(inferenceService, method, FunctionMethod { _ throws(GRPCStatus) in throw GRPCStatus(SharedMemoryRegions.noCUDA) })
    }
  }
}

private func regions(_ door: ServingDoor, _ call: UnaryCall) throws(InferenceError) -> SharedMemoryRegions {
  guard let regions = door.sharedMemory else { throw SharedMemoryRegions.notAllowed }
  try regions.checkCaller(isPrivate: call.isPrivate)
  return regions
}
