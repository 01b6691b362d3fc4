internal import Pools
internal import Serving

/// What deployments have done, as Triton's statistics extension spells it.
enum ModelStatisticsDocument {
  static func of(_ deployments: [ServingDeployment]) -> JSONDocument {
    ["model_stats": .list(deployments.map(statistics))]
  }

  private static func statistics(_ deployment: ServingDeployment) -> JSONDocument {
    let statistics = deployment.pool.statistics
    return [
      "name": .string(deployment.name), "version": .string(deployment.version),
      "last_inference": count(statistics.lastInferenceMilliseconds), "inference_count": count(statistics.inferenceCount),
      "execution_count": count(statistics.executionCount),
      "inference_stats": [
        "success": duration(statistics.success), "fail": duration(statistics.fail), "queue": duration(statistics.queue),
        "compute_input": duration(statistics.computeInput), "compute_infer": duration(statistics.computeInfer),
        "compute_output": duration(statistics.computeOutput), "cache_hit": duration(statistics.cacheHit),
        "cache_miss": duration(statistics.cacheMiss),
      ],
      "batch_stats": .list(
        statistics.batchSizes.map { size in
          [
            "batch_size": .integer(Int64(size.batchSize)), "compute_input": duration(size.computeInput),
            "compute_infer": duration(size.computeInfer), "compute_output": duration(size.computeOutput),
          ]
        }),
    ]
  }

  private static func duration(_ duration: DurationCount) -> JSONDocument {
    ["count": count(duration.count), "ns": count(duration.nanoseconds)]
  }

  private static func count(_ value: UInt64) -> JSONDocument { .integer(Int64(clamping: value)) }
}
