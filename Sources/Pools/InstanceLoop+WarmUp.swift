internal import Backends
internal import Inference

extension InstanceLoop {
  /// Runs what there is to run before the first request, so that this finds memory and kernels in place: the pool's own
  /// batches, and where it has none, one row of zeros. None of it is counted.
  ///
  /// - Throws: What a batch of the pool's failed with, under its title: somebody wrote it for this model. Zeros mean
  ///   nothing to some models, so their failure is logged only.
  func warmUp() throws(InferenceError) {
    for batch in pool.warmUpBatches { try run(batch) }
    if pool.warmUpBatches.isEmpty, pool.warmsUp { runZeros() }
  }

  /// As a batch of requests is run, but for the answers. All its rows are one request's, which the runs only read.
  private func run(_ batch: WarmUpBatch) throws(InferenceError) {
    let request = try pool.request(of: batch)
    defer { withExtendedLifetime(request) {} }
    var requests = [RequestPointer](repeating: request.pointer, count: batch.rows)
    for _ in 0..<batch.count {
      requests.withUnsafeMutableBufferPointer { requests in
        runner.gather(requests.baseAddress!, count: batch.rows, rows: batch.rows)
      }
      do throws(InferenceError) {
        try runner.run(instance, wanted: .max)
        runner.releaseOutputs()
      } catch {
        throw InferenceError(error.code, "\(batch.title) failed: \(error.message)")
      }
    }
  }

  private func runZeros() {
    runner.gatherZeros()
    do throws(InferenceError) {
      try runner.run(instance, wanted: .max)
      runner.releaseOutputs()
    } catch {
      pool.log("model '\(pool.name)' version \(pool.version), instance \(index): warm-up failed: \(error.message)")
    }
  }
}

extension ModelPool {
  /// A request for one row of a batch, checked as any request is.
  ///
  /// - Throws: `.invalidArgument` with the batch's title if the model does not take it.
  func request(of batch: WarmUpBatch) throws(InferenceError) -> OwnedRequest {
    do throws(InferenceError) {
      let request = try OwnedRequest(inputs: batch.inputs)
      try validator.validate(request.pointer)
      return request
    } catch {
      throw InferenceError(error.code, "\(batch.title): \(error.message)")
    }
  }
}
