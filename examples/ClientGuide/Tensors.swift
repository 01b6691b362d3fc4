internal import ApusClient

func tensors(_ client: InferenceClient, _ mapped: UnsafeRawBufferPointer, _ file: AnyObject) async throws {
  // snippet.inputs
  let numbers = Tensor(name: "x", [1, 2, 3, 4] as [Float], shape: [1, 4])
  let words = Tensor(name: "text", ["hello", "world"])
  let flags = Tensor(name: "mask", [true, false])
  // Memory of somebody else's, such as a mapped file: `file` is held until it has been sent.
  let weights = Tensor(name: "w", datatype: .fp16, shape: [512], unsafeBytes: mapped, owner: file)
  // snippet.end

  let answer = try await client.infer(InferRequest(model: "m", inputs: [numbers, words, flags, weights]))
  // snippet.outputs
  let sum = answer["y"]?.withElements(as: Float.self) { elements in
    var sum: Float = 0
    for index in elements.indices { sum += elements[index] }
    return sum
  }
  let copy = answer["y"]?.elements(as: Float.self)
  let labels = answer["labels"]?.strings
  // snippet.end
  _ = (sum, copy, labels)
}

func stream(_ client: InferenceClient, _ requests: [InferRequest]) async throws {
  // snippet.stream
  let stream = try await client.inferStream()
  let sender = Task {
    for request in requests { try await stream.send(request) }
    stream.finish()
  }
  for try await answer in stream {
    print(try answer.get().outputs.count)
  }
  try await sender.value
  // snippet.end
}
