/// A run that every instance of a model makes before it serves, as the model's configuration describes it.
///
/// Source: Triton's `ModelWarmup`.
package struct WarmUpSample: Sendable, Hashable {
  /// What one input is given. Its dimensions are without the batch axis where the model batches.
  package struct Input: Sendable, Hashable {
    package enum Contents: Sendable, Hashable {
      /// Zeros, false, and empty strings.
      case zeros
      case random
      /// A file in the directory `warmup` of the model, with the elements as a request has them.
      case file(String)
    }

    package var datatype: Datatype
    /// None below 0.
    package var dims: [Int64]
    package var contents: Contents

    package init(datatype: Datatype, dims: [Int64], contents: Contents) {
      self.datatype = datatype
      self.dims = dims
      self.contents = contents
    }
  }

  package var name: String
  /// Rows in the batch, all alike; 0, which is not said: one.
  package var batchSize = 0
  package var inputs: [String: Input] = [:]
  /// How many times it runs; at least 1.
  package var count = 1

  package init(name: String) { self.name = name }

  /// What errors call it.
  ///
  /// - Parameter index: Its place among the samples of its model, for one without a name.
  package func title(at index: Int) -> String {
    name.isEmpty ? "model_warmup[\(index)]" : "model_warmup sample '\(name)'"
  }
}
