internal import Arrivals
internal import Inference

/// What a load test sends: messages, encoded once, each with the answer that it should get.
package final class Workload: Sendable {
  /// One model, or one method: what is called, and how often beside the others.
  package struct Target: Sendable {
    /// For reports.
    package var name: String
    /// `/package.Service/Method`.
    package var method: String
    /// Share of the requests, beside the other targets' weights. 0: only where a trace names it.
    package var weight: Double
    package var inputs: [Input]

    package init(name: String, method: String, weight: Double = 1, inputs: [Input]) {
      (self.name, self.method, self.weight, self.inputs) = (name, method, weight, inputs)
    }
  }

  package struct Input: Sendable {
    /// The message, without gRPC's prefix.
    package var message: [UInt8]
    /// How often, beside the target's other inputs.
    package var weight: Double
    /// What the server answered when it had nothing else to do. Nil: answers are not compared.
    package var reference: ReferenceAnswer?

    package init(message: [UInt8], weight: Double = 1, reference: ReferenceAnswer? = nil) {
      (self.message, self.weight, self.reference) = (message, weight, reference)
    }
  }

  /// A message at an address of its own, which stays until the workload goes.
  struct Message: @unchecked Sendable {  // written once, before anybody else sees it
    let bytes: UnsafeRawBufferPointer
    let target: Int32
  }

  package let targets: [Target]
  /// Every input of every target, in order.
  let messages: [Message]
  /// Which of `messages`, by the weights of targets and inputs together.
  let choice: WeightedChoice
  /// Which of a target's messages.
  let choiceInTarget: [WeightedChoice]
  let firstMessage: [Int]
  /// Of each arrival of a trace: its target, or -1 for one by weight. Empty without a trace.
  let traceTargets: [Int32]

  /// - Parameters:
  ///   - targets: Not empty, each with inputs, and one weight over 0 at least.
  package init(_ targets: [Target], traceTargets: [Int32] = []) {
    self.targets = targets
    self.traceTargets = traceTargets
    var all: [Message] = []
    var weights: [Double] = []
    var first: [Int] = []
    for (index, target) in targets.enumerated() {
      first.append(all.count)
      let sum = target.inputs.reduce(0) { $0 + $1.weight }
      for input in target.inputs {
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: max(input.message.count, 1), alignment: 64)
        input.message.withUnsafeBytes { room.copyMemory(from: $0) }
        let bytes = UnsafeRawBufferPointer(start: room.baseAddress, count: input.message.count)
        all.append(Message(bytes: bytes, target: Int32(index)))
        weights.append(target.weight * input.weight / sum)
      }
    }
    messages = all
    choice = WeightedChoice(weights)
    choiceInTarget = targets.map { WeightedChoice($0.inputs.map(\.weight)) }
    firstMessage = first
  }

  deinit {
    for message in messages { message.bytes.deallocate() }
  }

  /// The message for an arrival.
  ///
  /// - Parameter position: The arrival's place in the trace.
  @inline(__always)
  func draw(_ random: inout SeededRandom, position: Int) -> Int {
    if !traceTargets.isEmpty, traceTargets[position] >= 0 {
      let target = Int(traceTargets[position])
      return firstMessage[target] + choiceInTarget[target].draw(&random)
    }
    return choice.draw(&random)
  }

  /// The answer that a message should get; nil if answers are not compared.
  func reference(of message: Int) -> ReferenceAnswer? {
    let target = Int(messages[message].target)
    return targets[target].inputs[message - firstMessage[target]].reference
  }
}
