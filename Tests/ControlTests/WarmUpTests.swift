import Control
import Inference
import Pools
import Testing
import Wire

/// A configuration with one sample for a model of scripts, whose only input is X, FP32 [-1, 2].
private func sample(_ input: String, _ more: String = "") -> String {
  #"max_batch_size: 4 model_warmup { name: "w" \#(more) inputs { key: "X" value { \#(input) } } }"#
}

@Test(arguments: [
  sample("data_type: TYPE_FP32 dims: 2 zero_data: true"),
  sample("data_type: TYPE_FP32 dims: 2 random_data: true", "batch_size: 4 count: 5"),
  sample("data_type: TYPE_FP32 dims: 2 input_data_file: \"row\"", "batch_size: 2"),
  sample("data_type: TYPE_FP32 dims: 2 input_data_file: \"deep/./row\""),
])
func `a model with samples serves, says them, and has counted none of their runs`(text: String) async throws {
  let world = World()
  world.repository.writeModel("m")
  world.repository.write("m/config.pbtxt", text)
  world.repository.write("m/warmup/row", "12345678")
  world.repository.write("m/warmup/deep/row", "12345678")
  #expect(try await world.lifecycle.start() == [:])
  #expect(try world.lifecycle.statistics("m").map(\.statistics.executionCount) == [0])
  #expect(try world.lifecycle.configuration("m").warmUpSamples.map(\.name) == ["w"])
  #expect(try world.answer("m") == 1)
  await world.lifecycle.drainAll()
}

@Test(arguments: [
  (sample("data_type: TYPE_FP64 dims: 2 zero_data: true"), "input 'X' has datatype FP64; the model takes FP32"),
  (sample("data_type: TYPE_FP32 dims: 3 zero_data: true"), "input 'X' has shape [1,3]; the model takes [-1,2]"),
  (sample("data_type: TYPE_FP32 dims: [1, 2] random_data: true"), "input 'X' has shape [1,1,2]; the model takes [-1,2]"),
  (sample("data_type: TYPE_FP32 dims: 2 zero_data: true", "batch_size: 5"), "batch_size is 5; expected at most 4"),
  (sample("data_type: TYPE_FP32 dims: 2 zero_data: true", "count: 10001"), "count is 10001; expected at most 10000"),
  (#"model_warmup { name: "w" batch_size: 1 }"#, "input 'X' is missing; the model takes 'X'"),
  (sample("data_type: TYPE_FP32 dims: 4611686018427387904 zero_data: true"), "all samples of a model together take at most"),
] as [(String, String)])
func `a sample that the model does not take fails the load, with what it takes`(text: String, reason: String) async throws {
  let world = World()
  world.repository.writeModel("m")
  world.repository.write("m/config.pbtxt", text)
  let message = try #require(try await world.lifecycle.start()["m"]).message
  #expect(message.contains("load failed for model 'm': version 1: model_warmup sample 'w'"))
  #expect(message.contains(reason), "\(message)")
  await world.lifecycle.drainAll()
}

@Test(arguments: [
  ("gone", "there is no file '"), ("row", "/m/warmup/row' holds 8 bytes; dims [3] of FP32 take 12"),
  ("", "is ''; expected a path inside the directory 'warmup'"),
  ("../secret", "is '../secret'; expected a path inside the directory 'warmup'"),
  ("a/../../secret", "is 'a/../../secret'; expected a path inside the directory 'warmup'"),
  ("/etc/passwd", "is '/etc/passwd'; expected a path inside the directory 'warmup'"), (".", "there is no file '"),
])
func `a sample's file lies under warmup and has as many bytes as its dims take`(file: String, reason: String) async throws {
  let world = World()
  world.repository.writeModel("m")
  world.repository.write("m/secret", "123456789012")
  world.repository.write("m/warmup/row", "12345678")
  world.repository.write("m/config.pbtxt", sample("data_type: TYPE_FP32 dims: 3 input_data_file: \"\(file)\""))
  let message = try #require(try await world.lifecycle.start()["m"]).message
  #expect(message.contains("model_warmup sample 'w', input 'X': "), "\(message)")
  #expect(message.contains(reason), "\(message)")
  await world.lifecycle.drainAll()
}

@Test func `a sample whose run fails fails the load with the model's words, and zeros do not`() async throws {
  let world = World()
  world.repository.writeModel("m", "fail-run it is cursed")
  #expect(try await world.lifecycle.start() == [:])
  world.repository.write("m/config.pbtxt", sample("data_type: TYPE_FP32 dims: 2 zero_data: true"))
  #expect(
    await world.loadFailure("m")
      == .invalidArgument("load failed for model 'm': version 1: model_warmup sample 'w' failed: it is cursed"))
  #expect(try world.index() == ["m 1 READY "])  // the one from before
  await world.lifecycle.drainAll()
}

@Test func `a sample that came with a load is checked like one in the repository`() async throws {
  let world = World()
  world.repository.writeModel("m")
  #expect(try await world.lifecycle.start() == [:])
  let config = #"""
    {"model_warmup": [{"name": "w", "inputs": {
      "X": {"data_type": "TYPE_FP32", "dims": [2], "input_data_file": "../1/model.script"}}}]}
    """#
  await #expect {
    try await world.lifecycle.load("m", parameters: ["config": .string(config)])
  } throws: { "\($0)".contains("input_data_file is '../1/model.script'; expected a path inside the directory 'warmup'") }
  #expect(try world.answer("m") == 1)
  await world.lifecycle.drainAll()
}

@Test func `a model without a batch axis takes one row, of its full shape`() async throws {
  let world = World()
  world.repository.write("m/1/model.script", "input T BYTES 2\noutput Y FP32 2\n")
  func configure(_ more: String) {
    let input = #"key: "T" value { data_type: TYPE_STRING dims: 2 input_data_file: "t" }"#
    world.repository.write("m/config.pbtxt", #"model_warmup { name: "w" \#(more) inputs { \#(input) } }"#)
  }
  world.repository.write("m/warmup/t", "abcd")
  configure("")
  #expect(try await world.lifecycle.start()["m"]?.message.contains("input 'T' holds 4 bytes") == true)
  configure("batch_size: 2")
  #expect(await world.loadFailure("m")?.message.contains("expected at most 1, because the model does not batch") == true)
  // TYPE_STRING in a file is as on the wire: four bytes of length before each element. Random and zero ones are made so.
  for contents in ["random_data: true", "zero_data: true"] {
    world.repository.write(
      "m/config.pbtxt",
      "model_warmup { batch_size: 1 inputs { key: \"T\" value { data_type: TYPE_STRING dims: 2 \(contents) } } }")
    #expect(await world.loadFailure("m") == nil)
  }
  await world.lifecycle.drainAll()
}
