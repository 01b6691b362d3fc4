package import Inference

/// A batch that every instance of a pool runs before it serves: a sample of the model's configuration, its values at hand.
package struct WarmUpBatch: Sendable, Hashable {
  /// What errors call it, such as `model_warmup sample 'zeros'`.
  package var title: String
  /// One row of each input, with the batch axis where the model batches; in any order.
  package var inputs: [OwnedRequest.Value]
  /// How many times that row stands in the batch; 1 where the model does not batch.
  package var rows: Int
  /// How many times it runs; at least 1.
  package var count: Int

  package init(title: String, inputs: [OwnedRequest.Value], rows: Int = 1, count: Int = 1) {
    self.title = title
    self.inputs = inputs
    self.rows = rows
    self.count = count
  }
}
