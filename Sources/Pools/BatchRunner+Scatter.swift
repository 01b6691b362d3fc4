internal import Inference

extension BatchRunner {
  /// Gives each request its rows of the outputs that it asked for, as slices that hold the outputs' owners. The tensors
  /// and shapes lie in each request's own arena.
  ///
  /// A request whose arena is full gets a `failure` instead of outputs; the others are not affected.
  ///
  /// - Throws: `.internal`, with no request touched, if an output is not what the batch calls for.
  func scatter(
    _ requests: UnsafeMutablePointer<RequestPointer>, count: Int, rows: Int, wanted: UInt64
  ) throws(InferenceError) {
    for index in 0..<outputs.count where isWanted(index, wanted) { try check(index, rows: rows) }
    for index in 0..<offsets.count { offsets[index] = 0 }
    for position in 0..<count {
      let request = requests[position]
      if !give(to: request, isAlone: count == 1, batchRows: rows) {
        request.pointee.failure = .resourceExhausted(
          "no room for the outputs: the request holds \(request.pointee.arena.pointee.usedBytes) bytes; "
            + "the limit is \(request.pointee.arena.pointee.limitBytes)")
      }
      if count > 1 { advanceOffsets(past: request, wanted: wanted) }
    }
  }

  /// Outputs past the 64th have no bit and are always wanted.
  private func isWanted(_ index: Int, _ wanted: UInt64) -> Bool { index >= 64 || wanted & (1 << UInt64(index)) != 0 }

  // MARK: - Checks

  private func check(_ index: Int, rows: Int) throws(InferenceError) {
    let output = outputs[index]
    let name = String(decoding: output.name, as: UTF8.self)
    guard output.owner != nil || output.bytes.baseAddress != nil || output.shape.baseAddress != nil else {
      throw .internal("output '\(name)' is wanted, but the backend did not set it")
    }
    if validator.maxBatchSize > 0 {
      guard let given = output.shape.first else {
        throw .internal("output '\(name)' has no batch axis for a batch of \(rows) rows")
      }
      guard given == Int64(rows) else {
        throw .internal("output '\(name)' has \(given) rows for a batch of \(rows)")
      }
    }
    guard let elements = TensorSize.elementCount(of: output.shape) else {
      throw .internal("output '\(name)' has a shape that is no shape: \(Array(output.shape))")
    }
    let size =
      if let elementBytes = output.datatype.byteSize {
        elements.multipliedReportingOverflow(by: elementBytes).partialValue
      } else {
        BytesElements(output.bytes).end(ofElements: elements) ?? -1
      }
    guard size == output.bytes.count else {
      throw .internal(
        "output '\(name)' holds \(output.bytes.count) bytes; "
          + "shape \(Array(output.shape)) of \(output.datatype) takes \(size < 0 ? "more" : "\(size)")")
    }
  }

  // MARK: - Slices

  private func give(to request: RequestPointer, isAlone: Bool, batchRows: Int) -> Bool {
    let requested = request.pointee.requestedOutputs
    let count = requested.count > 0 ? requested.count : outputs.count
    guard let tensors = request.pointee.arena.pointee.allocate(Tensor.self, count: count) else { return false }
    // Every allocation is made before the first owner is retained: a failure leaves nothing to undo.
    for position in 0..<count {
      let index = requested.count > 0 ? requested[position].index : position
      guard let slice = slice(of: index, for: request, isAlone: isAlone, batchRows: batchRows) else { return false }
      (tensors + position).initialize(to: slice)
    }
    for position in 0..<count { _ = tensors[position].owner?.retain() }
    request.pointee.outputs = UnsafeMutableBufferPointer(start: tensors, count: count)
    return true
  }

  private func slice(of index: Int, for request: RequestPointer, isAlone: Bool, batchRows: Int) -> Tensor? {
    let output = outputs[index]
    // Alone, everything is the request's; the shape lies with the bytes and has the same owner.
    if isAlone, output.owner != nil { return output }
    let rank = output.shape.count
    guard let shape = request.pointee.arena.pointee.allocate(Int64.self, count: rank) else { return nil }
    for axis in 0..<rank { shape[axis] = output.shape[axis] }
    var slice = output
    slice.shape = UnsafeBufferPointer(start: shape, count: rank)
    if !isAlone {
      shape[0] = Int64(request.pointee.rows)
      slice.bytes = UnsafeRawBufferPointer(rebasing: output.bytes[range(of: index, for: request, batchRows: batchRows)])
    }
    return slice
  }

  private func range(of index: Int, for request: RequestPointer, batchRows: Int) -> Range<Int> {
    offsets[index]..<end(of: index, for: request, batchRows: batchRows)
  }

  private func end(of index: Int, for request: RequestPointer, batchRows: Int) -> Int {
    let output = outputs[index]
    guard output.datatype == .bytes else {
      return offsets[index] + output.bytes.count / batchRows * request.pointee.rows
    }
    let elements = (TensorSize.elementCount(of: output.shape) ?? 0) / batchRows * request.pointee.rows
    return BytesElements(output.bytes).end(ofElements: elements, from: offsets[index])!  // `check` has walked them all
  }

  private func advanceOffsets(past request: RequestPointer, wanted: UInt64) {
    for index in 0..<outputs.count where isWanted(index, wanted) {
      guard let rows = outputs[index].shape.first else { continue }
      offsets[index] = end(of: index, for: request, batchRows: Int(rows))
    }
  }
}
