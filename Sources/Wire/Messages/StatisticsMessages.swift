internal import CProtos
internal import Inference

/// Asks for what has been counted.
package struct ModelStatisticsRequest: CMessage, Hashable {
  /// Empty: every model.
  package var name: String
  /// Empty: every version.
  package var version: String

  package init(name: String = "", version: String = "") {
    self.name = name
    self.version = version
  }

  static var initialize: (UnsafeMutablePointer<Inference__ModelStatisticsRequest>?) -> Void {
    inference__model_statistics_request__init
  }
  init(_ c: Inference__ModelStatisticsRequest) {
    name = string(c.name)
    version = string(c.version)
  }
  func fill(_ c: inout Inference__ModelStatisticsRequest, _ builder: MessageBuilder) {
    c.name = builder.string(name)
    c.version = builder.string(version)
  }
}

package struct ModelStatisticsResponse: CMessage, Hashable {
  package var models: [ModelStatistics]

  package init(models: [ModelStatistics]) { self.models = models }

  static var initialize: (UnsafeMutablePointer<Inference__ModelStatisticsResponse>?) -> Void {
    inference__model_statistics_response__init
  }
  init(_ c: Inference__ModelStatisticsResponse) throws(InferenceError) {
    models = try list(c.model_stats, c.n_model_stats)
  }
  func fill(_ c: inout Inference__ModelStatisticsResponse, _ builder: MessageBuilder) {
    c.n_model_stats = models.count
    c.model_stats = builder.list(models)
  }
}

/// How often something happened, and how long it took in all.
package struct StatisticDuration: CMessage, Hashable {
  package var count: UInt64
  package var nanoseconds: UInt64

  package init(count: UInt64 = 0, nanoseconds: UInt64 = 0) {
    self.count = count
    self.nanoseconds = nanoseconds
  }

  static var initialize: (UnsafeMutablePointer<Inference__StatisticDuration>?) -> Void {
    inference__statistic_duration__init
  }
  init(_ c: Inference__StatisticDuration) { (count, nanoseconds) = (c.count, c.ns) }
  func fill(_ c: inout Inference__StatisticDuration, _ builder: MessageBuilder) {
    (c.count, c.ns) = (count, nanoseconds)
  }
}

/// One part of a model's requests' time after the other. Source: Triton's `InferStatistics`.
package struct InferStatistics: CMessage, Hashable {
  /// From arrival to answer.
  package var success = StatisticDuration()
  package var fail = StatisticDuration()
  package var queue = StatisticDuration()
  package var computeInput = StatisticDuration()
  package var computeInfer = StatisticDuration()
  package var computeOutput = StatisticDuration()
  package var cacheHit = StatisticDuration()
  package var cacheMiss = StatisticDuration()

  package init() {}

  static var initialize: (UnsafeMutablePointer<Inference__InferStatistics>?) -> Void {
    inference__infer_statistics__init
  }
  init(_ c: Inference__InferStatistics) {
    success = duration(c.success)
    fail = duration(c.fail)
    queue = duration(c.queue)
    computeInput = duration(c.compute_input)
    computeInfer = duration(c.compute_infer)
    computeOutput = duration(c.compute_output)
    cacheHit = duration(c.cache_hit)
    cacheMiss = duration(c.cache_miss)
  }
  func fill(_ c: inout Inference__InferStatistics, _ builder: MessageBuilder) {
    c.success = builder.message(success)
    c.fail = builder.message(fail)
    c.queue = builder.message(queue)
    c.compute_input = builder.message(computeInput)
    c.compute_infer = builder.message(computeInfer)
    c.compute_output = builder.message(computeOutput)
    c.cache_hit = builder.message(cacheHit)
    c.cache_miss = builder.message(cacheMiss)
  }
}

private func duration(_ c: UnsafePointer<Inference__StatisticDuration>?) -> StatisticDuration {
  c.map { StatisticDuration($0.pointee) } ?? StatisticDuration()
}

/// The same for one position among the responses to a request, for models that give several.
package struct InferResponseStatistics: CMessage, Hashable {
  package var computeInfer = StatisticDuration()
  package var computeOutput = StatisticDuration()
  package var success = StatisticDuration()
  package var fail = StatisticDuration()
  package var emptyResponse = StatisticDuration()
  package var cancel = StatisticDuration()

  package init() {}

  static var initialize: (UnsafeMutablePointer<Inference__InferResponseStatistics>?) -> Void {
    inference__infer_response_statistics__init
  }
  init(_ c: Inference__InferResponseStatistics) {
    computeInfer = duration(c.compute_infer)
    computeOutput = duration(c.compute_output)
    success = duration(c.success)
    fail = duration(c.fail)
    emptyResponse = duration(c.empty_response)
    cancel = duration(c.cancel)
  }
  func fill(_ c: inout Inference__InferResponseStatistics, _ builder: MessageBuilder) {
    c.compute_infer = builder.message(computeInfer)
    c.compute_output = builder.message(computeOutput)
    c.success = builder.message(success)
    c.fail = builder.message(fail)
    c.empty_response = builder.message(emptyResponse)
    c.cancel = builder.message(cancel)
  }
}

/// The same for batches of one size.
package struct InferBatchStatistics: CMessage, Hashable {
  /// Rows.
  package var batchSize: UInt64
  package var computeInput = StatisticDuration()
  package var computeInfer = StatisticDuration()
  package var computeOutput = StatisticDuration()

  package init(batchSize: UInt64) { self.batchSize = batchSize }

  static var initialize: (UnsafeMutablePointer<Inference__InferBatchStatistics>?) -> Void {
    inference__infer_batch_statistics__init
  }
  init(_ c: Inference__InferBatchStatistics) {
    batchSize = c.batch_size
    computeInput = duration(c.compute_input)
    computeInfer = duration(c.compute_infer)
    computeOutput = duration(c.compute_output)
  }
  func fill(_ c: inout Inference__InferBatchStatistics, _ builder: MessageBuilder) {
    c.batch_size = batchSize
    c.compute_input = builder.message(computeInput)
    c.compute_infer = builder.message(computeInfer)
    c.compute_output = builder.message(computeOutput)
  }
}

/// What has been counted of one version of one model since it was loaded. Source: Triton's `ModelStatistics`.
package struct ModelStatistics: CMessage, Hashable {
  /// Bytes held on one device.
  package struct MemoryUsage: CMessage, Hashable {
    /// `CPU`, `CPU_PINNED` or `GPU`.
    package var kind: String
    package var device: Int64
    package var byteCount: UInt64

    package init(kind: String, device: Int64, byteCount: UInt64) {
      self.kind = kind
      self.device = device
      self.byteCount = byteCount
    }

    static var initialize: (UnsafeMutablePointer<Inference__MemoryUsage>?) -> Void { inference__memory_usage__init }
    init(_ c: Inference__MemoryUsage) { (kind, device, byteCount) = (string(c.type), c.id, c.byte_size) }
    func fill(_ c: inout Inference__MemoryUsage, _ builder: MessageBuilder) {
      (c.type, c.id, c.byte_size) = (builder.string(kind), device, byteCount)
    }
  }

  package var name: String
  package var version: String
  /// Milliseconds since 1970; 0: never.
  package var lastInference: UInt64 = 0
  /// Rows.
  package var inferenceCount: UInt64 = 0
  /// Batches.
  package var executionCount: UInt64 = 0
  package var inferenceStatistics = InferStatistics()
  /// One for each batch size that was seen.
  package var batchStatistics: [InferBatchStatistics] = []
  package var memoryUsage: [MemoryUsage] = []
  /// By the position of a response among those to one request: "0", "1", …
  package var responseStatistics: [String: InferResponseStatistics] = [:]

  package init(name: String, version: String) {
    self.name = name
    self.version = version
  }

  static var initialize: (UnsafeMutablePointer<Inference__ModelStatistics>?) -> Void {
    inference__model_statistics__init
  }
  init(_ c: Inference__ModelStatistics) throws(InferenceError) {
    name = string(c.name)
    version = string(c.version)
    lastInference = c.last_inference
    inferenceCount = c.inference_count
    executionCount = c.execution_count
    inferenceStatistics = try optional(c.inference_stats) ?? InferStatistics()
    batchStatistics = try list(c.batch_stats, c.n_batch_stats)
    memoryUsage = try list(c.memory_usage, c.n_memory_usage)
    responseStatistics = try dictionary(c.response_stats, c.n_response_stats) { entry throws(InferenceError) in
      (string(entry.key), try optional(entry.value) ?? InferResponseStatistics())
    }
  }
  func fill(_ c: inout Inference__ModelStatistics, _ builder: MessageBuilder) {
    c.name = builder.string(name)
    c.version = builder.string(version)
    c.last_inference = lastInference
    c.inference_count = inferenceCount
    c.execution_count = executionCount
    c.inference_stats = builder.message(inferenceStatistics)
    c.n_batch_stats = batchStatistics.count
    c.batch_stats = builder.list(batchStatistics)
    c.n_memory_usage = memoryUsage.count
    c.memory_usage = builder.list(memoryUsage)
    c.n_response_stats = responseStatistics.count
    c.response_stats = builder.entries(
      responseStatistics, inference__model_statistics__response_stats_entry__init
    ) { ($0.key, $0.value) = ($1, builder.message($2)) }
  }
}
