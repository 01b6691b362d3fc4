import Inference
import ONNXBackend
import Testing

struct SessionSettingsTests {
  private func settings(
    _ configure: (inout ModelConfiguration) -> Void = { _ in }, options: ONNXOptions = ONNXOptions()
  ) throws(InferenceError) -> SessionSettings {
    var configuration = ModelConfiguration(name: "model")
    configure(&configuration)
    return try SessionSettings(options: options, configuration: configuration)
  }

  private func refusal(_ configure: (inout ModelConfiguration) -> Void) throws -> String {
    let failure = try #require(throws: InferenceError.self) { _ = try settings(configure) }
    #expect(failure.code == .invalidArgument)
    return failure.message
  }

  private func group(_ kind: InstanceGroup.Kind, gpus: [Int] = []) -> InstanceGroup {
    var group = InstanceGroup()
    group.kind = kind
    group.gpus = gpus
    return group
  }

  @Test func `nothing said means one thread, no spinning, the whole optimiser`() throws {
    let settings = try settings()
    #expect(settings.intraOpThreads == 1 && settings.interOpThreads == 1)
    #expect(settings.graphLevel == .all)
    #expect(settings.device == .cpu)
    #expect(settings.entries == ["session.intra_op.allow_spinning": "0", "session.inter_op.allow_spinning": "0"])
  }

  @Test func `a model's parameters come before the server's options`() throws {
    var options = ONNXOptions()
    options.intraOpThreads = 2
    options.graphLevel = .basic
    let settings = try settings(
      {
        $0.parameters = [
          "intra_op_thread_count": "4", "inter_op_thread_count": "3", "execution_mode": "1", "enable_mem_pattern": "0",
          "memory.enable_memory_arena_shrinkage": "cpu:0", "session.set_denormal_as_zero": "1",
          "session.intra_op.allow_spinning": "1",
        ]
        $0.graphOptimizationLevel = 1
      }, options: options)
    #expect(settings.intraOpThreads == 4 && settings.interOpThreads == 3)
    #expect(settings.runsOperatorsInParallel && !settings.usesMemoryPattern && settings.usesArena)
    #expect(settings.arenaShrinkage == "cpu:0")
    #expect(settings.graphLevel == .extended)
    #expect(settings.entries["session.set_denormal_as_zero"] == "1")
    #expect(settings.entries["session.intra_op.allow_spinning"] == "1")
  }

  @Test func `an unknown parameter is named beside the known ones`() throws {
    let message = try refusal { $0.parameters = ["intra_op_threads": "1"] }
    #expect(message.contains("'intra_op_threads'"))
    #expect(message.contains("intra_op_thread_count") && message.contains("session."))
  }

  @Test func `a number must be one, and in range`() throws {
    #expect(
      try refusal { $0.parameters = ["intra_op_thread_count": "many"] }
        == "parameter 'intra_op_thread_count' is 'many'; a number from 0 to 1024 is needed")
    #expect(
      try refusal { $0.parameters = ["enable_mem_arena": "2"] }
        == "parameter 'enable_mem_arena' is '2'; a number from 0 to 1 is needed")
  }

  @Test func `an arena that is off can't shrink`() throws {
    let message = try refusal {
      $0.parameters = ["enable_mem_arena": "0", "memory.enable_memory_arena_shrinkage": "cpu:0"]
    }
    #expect(message.contains("enable_mem_arena"))
  }

  @Test(arguments: [(0, ONNXOptions.GraphLevel.all), (-1, .basic), (1, .extended), (2, .none)])
  func `the graph level is Triton's number`(_ number: Int, _ level: ONNXOptions.GraphLevel) throws {
    #expect(try settings { $0.graphOptimizationLevel = number }.graphLevel == level)
  }

  @Test func `a graph level that does not exist is refused`() throws {
    #expect(try refusal { $0.graphOptimizationLevel = 7 }.contains("7"))
  }

  @Test func `a GPU is chosen by instance group, accelerator or the server's default, in that order`() throws {
    var cuda = ONNXOptions()
    cuda.provider = .cuda
    #expect(try settings({ $0.instanceGroups = [group(.gpu, gpus: [1])] }).device == .cuda(index: 1))
    let accelerated = try settings({
      $0.executionAccelerators = [ExecutionAccelerator(name: "cuda", parameters: ["use_tf32": "0"])]
    })
    #expect(accelerated.device == .cuda(index: 0))
    #expect(accelerated.cudaOptions == ["use_tf32": "0"])
    #expect(try settings(options: cuda).device == .cuda(index: 0))
    #expect(try settings({ $0.instanceGroups = [group(.cpu)] }, options: cuda).device == .cpu)
  }

  @Test func `a model for a GPU does not fall back to the CPU, unless it says that it may`() throws {
    let key = "session.disable_cpu_ep_fallback"
    #expect(try settings({ $0.instanceGroups = [group(.gpu)] }).entries[key] == "1")
    let relaxed = try settings({
      $0.instanceGroups = [group(.gpu)]
      $0.parameters = [key: "0"]
    })
    #expect(relaxed.entries[key] == "0")
  }

  @Test func `a model is on one device`() throws {
    #expect(try refusal { $0.instanceGroups = [group(.cpu), group(.gpu)] }.contains("KIND_CPU and KIND_GPU"))
    #expect(try refusal { $0.instanceGroups = [group(.gpu, gpus: [0, 1])] }.contains("[0, 1]"))
    #expect(try refusal { $0.executionAccelerators = [ExecutionAccelerator(name: "tensorrt")] }.contains("'tensorrt'"))
    let both = try refusal {
      $0.instanceGroups = [group(.cpu)]
      $0.executionAccelerators = [ExecutionAccelerator(name: "cuda")]
    }
    #expect(both.contains("KIND_CPU"))
  }
}
