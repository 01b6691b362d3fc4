internal import Backends
internal import Control
internal import GRPC
internal import Inference
internal import Pools
internal import Serving
internal import Wire

/// ModelStatistics: what each model version has done since it was loaded. Asked of all, it says nothing of endpoints that
/// are not open.
extension MethodTable {
  mutating func addModelStatistics(_ state: ServerState, _ door: ServingDoor, _ desk: VerificationDesk) {
    let method = EndpointMethod(door, desk, state, of: \.name) { (request: ModelStatisticsRequest, call) throws(InferenceError) in
      let answers = try state.models.statistics(request.name, version: request.version).filter {
        !request.name.isEmpty || door.isOpen($0.name, isPrivate: call.isPrivate)
      }
      return ModelStatisticsResponse(models: answers.map(ModelStatistics.init))
    }
    add(inferenceService, "ModelStatistics", method)
  }
}

extension ModelStatistics {
  fileprivate init(_ answer: ModelStatisticsAnswer) {
    self.init(name: answer.name, version: answer.version)
    let statistics = answer.statistics
    lastInference = statistics.lastInferenceMilliseconds
    inferenceCount = statistics.inferenceCount
    executionCount = statistics.executionCount
    inferenceStatistics.success = StatisticDuration(statistics.success)
    inferenceStatistics.fail = StatisticDuration(statistics.fail)
    inferenceStatistics.queue = StatisticDuration(statistics.queue)
    inferenceStatistics.computeInput = StatisticDuration(statistics.computeInput)
    inferenceStatistics.computeInfer = StatisticDuration(statistics.computeInfer)
    inferenceStatistics.computeOutput = StatisticDuration(statistics.computeOutput)
    inferenceStatistics.cacheHit = StatisticDuration(statistics.cacheHit)
    inferenceStatistics.cacheMiss = StatisticDuration(statistics.cacheMiss)
    batchStatistics = statistics.batchSizes.map { size in
      var batch = InferBatchStatistics(batchSize: UInt64(size.batchSize))
      batch.computeInput = StatisticDuration(size.computeInput)
      batch.computeInfer = StatisticDuration(size.computeInfer)
      batch.computeOutput = StatisticDuration(size.computeOutput)
      return batch
    }
    memoryUsage = answer.memoryUsage.map {
      MemoryUsage(kind: $0.kind, device: Int64($0.device), byteCount: $0.byteCount)
    }
  }
}

extension StatisticDuration {
  fileprivate init(_ duration: DurationCount) { self.init(count: duration.count, nanoseconds: duration.nanoseconds) }
}
