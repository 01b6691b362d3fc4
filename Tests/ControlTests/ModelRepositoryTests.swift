import Control
import Inference
import Serving
import Testing
import Wire

@Test func `a model without a configuration serves its highest version`() async throws {
  let world = World()
  world.repository.writeModel("m", version: 2, add: 2)
  world.repository.writeModel("m", version: 10, add: 10)
  #expect(try await world.lifecycle.start().isEmpty)
  #expect(try world.index() == ["m 10 READY "])
  #expect(try world.answer("m") == 10)
  #expect(throws: InferenceError.notFound("Request for unknown model: 'm' version 2 is not found")) {
    try world.answer("m", version: "2")
  }
  #expect(world.lifecycle.isServerReady)
  await world.lifecycle.drainAll()
}

@Test(arguments: [
  ("version_policy { all {} }", [1, 2, 3]), ("version_policy { latest { num_versions: 2 } }", [2, 3]),
  ("version_policy { specific { versions: [1, 3, 7] } }", [1, 3]), ("", [3]),
])
func `the version policy picks the versions`(policy: String, expected: [Int64]) async throws {
  let world = World()
  for version in 1...3 { world.repository.writeModel("m", version: version, add: version) }
  world.repository.write("m/config.pbtxt", policy)
  #expect(try await world.lifecycle.start().isEmpty)
  #expect(try world.lifecycle.metadata("m").versions == expected.map(String.init))
  for version in expected { #expect(try world.answer("m", version: "\(version)") == Float(version)) }
  await world.lifecycle.drainAll()
}

@Test func `directories that are no number, or begin with a zero, are no versions`() async throws {
  let world = World()
  world.repository.write("m/config.pbtxt", "version_policy { all {} }")
  for name in ["0", "01", "v2", "-3", "+4", "3"] {
    world.repository.write("m/\(name)/model.script", TemporaryRepository.script(add: 5))
  }
  world.repository.write("m/9", "a file")
  #expect(try await world.lifecycle.start().isEmpty)
  #expect(try world.lifecycle.metadata("m").versions == ["3"])
  #expect(try world.answer("m", version: "3") == 5)
  await world.lifecycle.drainAll()
}

/// Each is broken in its own way, beside one that is not.
@Test func `broken models say why and leave the good one alone`() async throws {
  let world = World()
  let repository = world.repository
  repository.writeModel("good")
  repository.makeDirectory("empty")
  repository.writeModel("misnamed")
  repository.write("misnamed/config.pbtxt", "name: \"other\"")
  repository.writeModel("garbled")
  repository.write("garbled/config.pbtxt", "max_batch_size: many")
  repository.writeModel("strange")
  repository.write("strange/config.pbtxt", "backend: \"magic\"")
  repository.writeModel("platform")
  repository.write("platform/config.pbtxt", "platform: \"magic_plan\"")
  repository.makeDirectory("fileless/1")
  repository.writeModel("failing", "fail it is cursed")
  repository.writeModel("sequences")
  repository.write("sequences/config.pbtxt", "sequence_batching { }")
  repository.link("looped", to: "looped")
  repository.writeModel("crowded")
  repository.write("crowded/config.pbtxt", "instance_group { count: 1000 } instance_group { count: 25 }")
  repository.writeModel("misplaced")
  repository.write("misplaced/config.pbtxt", "instance_group { } instance_group { kind: KIND_CPU gpus: [0, 2] }")
  repository.makeDirectory("loopedversion")
  repository.link("loopedversion/1", to: "1")
  repository.makeDirectory("loopedfile/1")
  repository.link("loopedfile/1/model.script", to: "model.script")
  repository.writeModel("twoloops")
  repository.write("twoloops/config.pbtxt", "backend: \"scripted\"")
  repository.link("twoloops/2", to: "2")
  repository.writeModel("unlabelled")
  repository.write(
    "unlabelled/config.pbtxt", #"output { name: "Y" data_type: TYPE_FP32 dims: 2 label_filename: "no.txt" }"#)

  let failures = try await world.lifecycle.start()
  #expect(try world.answer("good") == 1)
  #expect(!world.lifecycle.isServerReady)
  let expected = [
    "empty": "at least one version must be available under the version policy of model 'empty'",
    "misnamed": "name is 'other': expected 'misnamed'",
    "garbled": "max_batch_size",
    "strange": "unknown backend 'magic': known backends are scripted (platform scripted_model)",
    "platform": "unknown platform 'magic_plan': known backends are scripted (platform scripted_model)",
    "fileless": "no version directory holds a file that a known backend looks for: 'model.script' (scripted)",
    "failing": "load failed for model 'failing': version 1: it is cursed",
    "sequences": "'sequence_batching' is set: this server does not support that",
    "crowded": "version 1: instance_group asks for 1025 instances in all; the limit is 1024",
    "misplaced": "config.pbtxt: instance_group[1] has kind KIND_CPU and gpus [0, 2]: expected no gpus, because its "
      + "instances run on the CPU",
    "loopedversion": "can't look at '\(repository.path)/loopedversion/1/model.script': Too many levels",
    "loopedfile": "can't look at '\(repository.path)/loopedfile/1/model.script': Too many levels",
    "twoloops": "version 2: can't look at '\(repository.path)/twoloops/2/model.script': Too many levels",
    "looped": "/looped': Too many levels of symbolic links",
    "unlabelled": "no.txt': No such file or directory",
  ]
  #expect(Set(failures.keys) == Set(expected.keys))
  for (model, text) in expected {
    let message = failures[model]?.message ?? ""
    #expect(message.contains(text), "\(model): \(message)")
    #expect(failures[model]?.code == .invalidArgument)
  }
  let index = try world.lifecycle.index()
  #expect(index.first { $0.name == "failing" }?.version == 1)
  #expect(index.first { $0.name == "misnamed" }?.version == nil)
  #expect(index.first { $0.name == "misnamed" }?.state == .unavailable)
  #expect(index.filter { $0.state == .ready }.map(\.name) == ["good"])
  await world.lifecycle.drainAll()
}

@Test func `hints that change no answer do not refuse a model`() async throws {
  let world = World()
  world.repository.writeModel("m")
  world.repository.write(
    "m/config.pbtxt",
    """
    optimization { priority: PRIORITY_MAX input_pinned_memory { enable: true } cuda { graphs: true } }
    metric_tags { key: "a" value: "b" }
    instance_group { count: 1 host_policy: "node0" }
    """)
  #expect(try await world.lifecycle.start().isEmpty)
  await world.lifecycle.drainAll()
}

@Test(arguments: [
  "model_transaction_policy { decoupled: true }",
  "batch_input { kind: BATCH_ELEMENT_COUNT }",
  "platform: \"ensemble\" ensemble_scheduling { step { model_name: \"a\" } }",
  "input { name: \"X\" data_type: TYPE_FP32 dims: 2 reshape { shape: [2] } }",
])
func `what would change the answers refuses the model`(text: String) async throws {
  let world = World()
  world.repository.writeModel("m")
  world.repository.write("m/config.pbtxt", text)
  let failure = try #require(try await world.lifecycle.start()["m"])
  #expect(failure.code == .invalidArgument)
  #expect(failure.message.contains("config.pbtxt: ") && failure.message.contains("is set: this server does not"))
  await world.lifecycle.drainAll()
}

@Test func `a model whose priorities have policies of their own is served, and its configuration says so`() async throws {
  let world = World()
  let batching = "priority_levels: 2 default_priority_level: 2 preserve_ordering: true"
  for (model, level) in [("m", 1), ("n", 3)] {
    world.repository.writeModel(model)
    world.repository.write(
      "\(model)/config.pbtxt",
      """
      max_batch_size: 4
      dynamic_batching { \(batching) priority_queue_policy { key: \(level) value { max_queue_size: 3 } } }
      """)
  }
  let failures = try await world.lifecycle.start()
  #expect(Array(failures.keys) == ["n"])
  let failure = try #require(failures["n"])
  #expect(failure.code == .invalidArgument)
  #expect(
    failure.message.contains(
      "config.pbtxt: dynamic_batching.priority_queue_policy has the key 3; expected a key from 1 to 2"))
  let dynamicBatching = try world.lifecycle.configuration("m").dynamicBatching
  #expect(dynamicBatching?.priorityQueuePolicies.mapValues(\.maxQueueSize) == [1: 3])
  #expect(dynamicBatching?.preserveOrdering == true)
  let json = #"{"max_batch_size": 4, "dynamic_batching": {"priority_levels": 1, "default_priority_level": 1, "#
  let policies = #""priority_queue_policy": {"1": {"max_queue_size": 5}}}}"#
  try await world.lifecycle.load("m", parameters: ["config": .string(json + policies)])
  #expect(
    try world.lifecycle.configuration("m").dynamicBatching?.priorityQueuePolicies.mapValues(\.maxQueueSize) == [1: 5])
  await world.lifecycle.drainAll()
}

@Test func `a repository that is not there stops the start`() async throws {
  let world = World { $0.repositories.append("/nonexistent/models") }
  await #expect(throws: InferenceError.invalidArgument("model repository '/nonexistent/models' is not a directory")) {
    try await world.lifecycle.start()
  }
}

@Test func `an empty repository is a server without models, and ready`() async throws {
  let world = World()
  #expect(try await world.lifecycle.start().isEmpty)
  #expect(world.lifecycle.isServerReady)
  #expect(try world.lifecycle.index().isEmpty)
  await world.lifecycle.drainAll()
}

@Test func `a model in two repositories is in neither`() async throws {
  let second = TemporaryRepository()
  second.writeModel("m")
  let world = World { $0.repositories.append(second.path) }
  world.repository.writeModel("m")
  let failure = try #require(try await world.lifecycle.start()["m"])
  #expect(failure.code == .internal && failure.message.contains("it is in more than one"))
  await world.lifecycle.drainAll()
}

@Test func `labels and a model file of another name are found`() async throws {
  let world = World()
  world.repository.write("m/1/other.bin", TemporaryRepository.script(add: 4))
  world.repository.write("m/labels.txt", "cat\ndog\n")
  world.repository.write(
    "m/config.pbtxt",
    """
    default_model_filename: "other.bin" max_batch_size: 4
    output { name: "Y" data_type: TYPE_FP32 dims: 2 label_filename: "labels.txt" }
    """)
  #expect(try await world.lifecycle.start().isEmpty)
  #expect(try world.answer("m") == 4)
  let labels = try #require(world.board.read().snapshot.deployments[0].labels[0])
  #expect(labels.count == 2)
  #expect(try world.lifecycle.configuration("m").maxBatchSize == 4)
  #expect(try world.lifecycle.configuration("m").dynamicBatching == nil)
  await world.lifecycle.drainAll()
}

@Test(arguments: ["/etc/passwd", "../secret.txt", "a/../../secret.txt"])
func `a configuration names no file outside the model's directory`(path: String) async throws {
  let world = World()
  world.repository.writeModel("m")
  world.repository.write("secret.txt", "secret")
  #expect(try await world.lifecycle.start().isEmpty)
  let label = #"{"output": [{"name": "Y", "data_type": "TYPE_FP32", "dims": [2], "label_filename": "\#(path)"}]}"#
  for config in [label, #"{"default_model_filename": "\#(path)"}"#] {
    await #expect {
      try await world.lifecycle.load("m", parameters: ["config": .string(config)])
    } throws: { "\($0)".contains("is '\(path)': expected a path inside the model's directory") }
  }
  #expect(try world.answer("m") == 1)
  await world.lifecycle.drainAll()
}
