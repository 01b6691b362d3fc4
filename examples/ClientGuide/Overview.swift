internal import ApusClient

func classify(_ pixels: [Float]) async throws -> String? {
  // snippet.overview
  let client = try InferenceClient("localhost:8001")

  let image = Tensor(name: "data", pixels, shape: [1, 3, 224, 224])
  var request = InferRequest(model: "resnet", inputs: [image])
  request.outputs = [.init(name: "logits", classCount: 1)]

  let answer = try await client.infer(request, options: CallOptions(timeout: .seconds(1)))
  let best = answer["logits"]?.strings?.first
  // snippet.end
  return best
}
