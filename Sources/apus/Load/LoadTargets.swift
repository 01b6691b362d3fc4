internal import ApusClient
internal import Arrivals
internal import LoadTesting

/// Makes a load test's messages, and asks the server for the first answer to each.
struct LoadTargets {
  let models: [LoadModel]
  let inputs: LoadInputOptions
  /// Nil: answers are not compared.
  let tolerance: Double?

  var modelNames: [String] {
    var names: [String] = []
    for model in models where !names.contains(model.name) { names.append(model.name) }
    return names
  }

  /// - Throws: `UsageError` for what does not suit the models, `ClientError` for what the server refuses, `LoadError`.
  func make(
    _ client: WaitingClient, trace: ArrivalTrace?
  ) throws -> (workload: Workload, trace: ArrivalTrace?) {
    var targets = try inputs.method.map { [try methodTarget($0)] } ?? []
    var labels: [LoadModel] = []
    for model in models {
      targets.append(try target(model, client))
      labels.append(model)
    }
    let dealt = try deal(trace, &targets, &labels, client)
    if tolerance != nil { for index in targets.indices { try addReferences(&targets[index], client) } }
    return (Workload(targets, traceTargets: dealt), trace)
  }

  private func target(_ model: LoadModel, _ client: WaitingClient) throws -> Workload.Target {
    let metadata = try client.wait { [name = model.name, version = inputs.version] in
      try await $0.modelMetadata(name, version: version, options: $1)
    }
    let variants = try inputs.loadInputs().variants(for: metadata)
    return Workload.Target(
      name: model.label, method: InferMessage.method, weight: model.weight,
      inputs: variants.map { variant in
        Workload.Input(
          message: InferMessage.encode(
            model: model.name, version: inputs.version, priority: model.priority, inputs: variant.tensors),
          weight: variant.weight)
      })
  }

  private func methodTarget(_ method: String) throws(UsageError) -> Workload.Target {
    var messages: [Workload.Input] = []
    for path in inputs.body { messages.append(Workload.Input(message: Array(try LoadInputs.content(path)))) }
    if messages.isEmpty { messages = [Workload.Input(message: [])] }
    return Workload.Target(name: method, method: method, inputs: messages)
  }

  /// The target of each arrival of a trace; what the command line does not name becomes a target that only the trace uses.
  private func deal(
    _ trace: ArrivalTrace?, _ targets: inout [Workload.Target], _ labels: inout [LoadModel], _ client: WaitingClient
  ) throws -> [Int32] {
    guard let trace, !trace.models.isEmpty || (0..<trace.count).contains(where: { trace[$0].priority != nil }) else {
      return []
    }
    guard inputs.method == nil else { throw UsageError("the trace names models or priorities; leave out --method") }
    var found: [LoadModel: Int32] = [:]
    var dealt: [Int32] = []
    for index in 0..<trace.count {
      let arrival = trace[index]
      if arrival.model < 0, arrival.priority == nil {
        dealt.append(-1)
        continue
      }
      let name = arrival.model < 0 ? models[0].name : trace.models[Int(arrival.model)]
      let key = LoadModel(name: name, weight: 0, priority: arrival.priority)
      if let known = found[key] {
        dealt.append(known)
        continue
      }
      let same = labels.firstIndex { $0.name == name && (arrival.priority == nil || $0.priority == arrival.priority) }
      let place = same ?? targets.count
      if same == nil {
        targets.append(try target(key, client))
        labels.append(key)
      }
      found[key] = Int32(place)
      dealt.append(Int32(place))
    }
    return dealt
  }

  private func addReferences(_ target: inout Workload.Target, _ client: WaitingClient) throws {
    for index in target.inputs.indices {
      let answer: [UInt8]
      do {
        let (method, message) = (target.method, target.inputs[index].message)
        answer = try client.wait { try await $0.call(method, message, options: $1).message }
      } catch {
        ExitStatus.say("apus: \(target.name): the first request failed, so there is nothing to compare with")
        throw error
      }
      target.inputs[index].reference = try ReferenceAnswer(
        answer, isInference: target.method == InferMessage.method, tolerance: tolerance ?? 0)
    }
  }
}
