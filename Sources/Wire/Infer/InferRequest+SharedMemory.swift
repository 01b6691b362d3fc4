internal import CProtos
internal import Inference

/// Whether an input lies in shared memory, which only its parameters say; then it is noted in the request.
///
/// Source: Triton, "Shared-Memory Extension".
@inline(never)
func isInSharedMemory(
  _ input: UnsafePointer<Inference__ModelInferRequest__InferInputTensor>, _ position: Int, _ request: RequestPointer
) throws(InferenceError) -> Bool {
  let name = bytes(of: input.pointee.name)
  var place = SharedTensorParameters()
  for index in 0..<input.pointee.n_parameters {
    let entry = input.pointee.parameters[index]!
    let key = bytes(of: entry.pointee.key)
    guard try place.take(key, parameterValue(entry.pointee.value), of: "input \(quoted(name))") else {
      throw unknownTensorParameter("input \(quoted(name))", key)
    }
  }
  guard let shared = try place.place(.input, position, of: "input \(quoted(name))") else { return false }
  guard input.pointee.contents == nil else {
    throw .invalidArgument(
      "input \(quoted(name)) has contents and the parameter 'shared_memory_region'; an input has one or the other")
  }
  try note(shared, in: request)
  return true
}

/// Notes in a request that one of its tensors lies in shared memory.
func note(_ tensor: SharedTensor, in request: RequestPointer) throws(InferenceError) {
  guard request.pointee.note(tensor) else { throw outOfMemory(SplitInferRequest.schema, request.pointee.arena) }
}

/// Makes sure that every input that is not in shared memory has one entry of the raw contents.
@inline(never)
func checkRawCount(_ rawCount: Int, inputs: Int, _ request: RequestPointer) throws(InferenceError) {
  let sharedCount = request.pointee.sharedInputCount
  guard rawCount != inputs - sharedCount else { return }
  throw .invalidArgument(
    "raw_input_contents has \(rawCount) entries; expected \(inputs - sharedCount), one for each input"
      + (sharedCount > 0 ? " that is not in shared memory" : ""))
}
