internal import Inference
internal import Pools

/// Makes the batches that a model's instances run before they serve, out of its configuration and the files beside it.
internal struct WarmUpReader: Sendable {
  /// The model's directory; files of samples lie in `warmup` under it.
  let directory: String
  /// What requests to the model are checked against.
  let signature: ModelSignature
  /// 0: the model does not batch.
  let maxBatchSize: Int

  /// Most bytes of all batches of a model together. One row of each stays in memory as long as the model does.
  static let limitBytes = 2 << 30
  /// Most rows of one sample, whatever the model batches.
  static let rowLimit = 1 << 20
  /// Most runs of one sample: a load waits for them.
  static let runLimit = 10_000
  /// Elements of random BYTES are so long, and take 4 bytes more.
  static let randomTextBytes = 16

  /// - Throws: `.invalidArgument` with the sample and the input, what was expected and what is given.
  func batches(of samples: [WarmUpSample]) throws(InferenceError) -> [WarmUpBatch] {
    var room = WarmUpReader.limitBytes
    var batches: [WarmUpBatch] = []
    for (index, sample) in samples.enumerated() {
      batches.append(try batch(of: sample, title: sample.title(at: index), &room))
    }
    return batches
  }

  private func batch(of sample: WarmUpSample, title: String, _ room: inout Int) throws(InferenceError) -> WarmUpBatch {
    let rows = max(sample.batchSize, 1)
    let mostRows = min(max(maxBatchSize, 1), WarmUpReader.rowLimit)
    guard rows <= mostRows else {
      let reason = maxBatchSize == 0 ? ", because the model does not batch" : ""
      throw .invalidArgument("\(title): batch_size is \(rows); expected at most \(mostRows)\(reason)")
    }
    guard sample.count <= WarmUpReader.runLimit else {
      throw .invalidArgument("\(title): count is \(sample.count); expected at most \(WarmUpReader.runLimit)")
    }
    var batch = WarmUpBatch(title: title, inputs: [], rows: rows, count: sample.count)
    for (name, input) in sample.inputs.sorted(by: { $0.key < $1.key }) {
      do throws(InferenceError) {
        let bytes = try bytes(of: input, seed: "\(sample.name) \(name)", limitBytes: room / rows)
        room -= bytes.count * rows
        let shape = (maxBatchSize > 0 ? [1] : []) + input.dims
        batch.inputs.append(OwnedRequest.Value(name: name, datatype: input.datatype, shape: shape, bytes: bytes))
      } catch {
        throw InferenceError(error.code, "\(title), input '\(name)': \(error.message)")
      }
    }
    try check(batch)
    return batch
  }

  /// Checks a row as if a client had sent it.
  private func check(_ batch: WarmUpBatch) throws(InferenceError) {
    do throws(InferenceError) {
      let request = try OwnedRequest(inputs: batch.inputs)
      defer { withExtendedLifetime(request) {} }
      try RequestValidator(signature: signature, maxBatchSize: maxBatchSize).validate(request.pointer)
    } catch {
      throw InferenceError(error.code, "\(batch.title): \(error.message)")
    }
  }

  // MARK: - Bytes

  private func bytes(
    of input: WarmUpSample.Input, seed: String, limitBytes: Int
  ) throws(InferenceError) -> [UInt8] {
    let elements = input.dims.withUnsafeBufferPointer { TensorSize.elementCount(of: $0) }
    let leastBytes = input.datatype.byteSize ?? (input.contents == .random ? 4 + WarmUpReader.randomTextBytes : 4)
    guard let elements, elements <= limitBytes / leastBytes else {
      throw .invalidArgument(
        "dims are \(input.dims) of \(input.datatype); all samples of a model together take at most "
          + "\(WarmUpReader.limitBytes) bytes, of which \(limitBytes) are left for a row of this one")
    }
    switch input.contents {
    case .zeros: return [UInt8](repeating: 0, count: elements * leastBytes)  // each empty string is a length of zero
    case .random:
      var random = RandomElements(seed: seed)
      return random.bytes(input.datatype, count: elements, textBytes: WarmUpReader.randomTextBytes)
    case .file(let name):
      let path = try path(of: name)
      guard input.datatype != .bytes else { return try Files.contents(path, limitBytes: limitBytes) }
      let byteCount = try Files.stamp(path)?.byteCount ?? 0
      guard byteCount == Int64(elements * leastBytes) else {
        throw .invalidArgument(
          "file '\(path)' holds \(byteCount) bytes; dims \(input.dims) of \(input.datatype) take \(elements * leastBytes)")
      }
      return try Files.contents(path, limitBytes: elements * leastBytes)
    }
  }

  /// A configuration may come from a client, and what it names is opened: nothing outside the directory.
  private func path(of name: String) throws(InferenceError) -> String {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard !name.isEmpty, parts.first != "", !parts.contains(".."), !name.utf8.contains(0) else {
      throw .invalidArgument("input_data_file is '\(name)'; expected a path inside the directory 'warmup' of the model")
    }
    let path = "\(directory)/warmup/\(name)"
    guard try Files.kind(path) == .file else {
      throw .invalidArgument("input_data_file is '\(name)', and there is no file '\(path)'")
    }
    return path
  }
}
