import Inference
import Testing

@Test func `an owned request waits until it is posted and woken, from whichever thread`() async throws {
  let request = try OwnedRequest(
    model: "m", version: "3", id: "42",
    inputs: [.init(name: "x", datatype: .int32, shape: [2], elements: [Int32(7), -1])],
    requestedOutputs: [("y", 2)], parameters: ["timeout": 5])
  let pointer = request.pointer
  #expect(String(decoding: pointer.pointee.modelName, as: UTF8.self) == "m")
  #expect(String(decoding: pointer.pointee.modelVersion, as: UTF8.self) == "3")
  #expect(String(decoding: pointer.pointee.id, as: UTF8.self) == "42")
  #expect(pointer.pointee.requestedOutputs[0].classCount == 2)
  async let poster: Void = {
    request.pointer.pointee.outputs = request.pointer.pointee.inputs
    let mailbox = request.pointer.pointee.replyTo.takeUnretainedValue()
    mailbox.post(request.pointer)
    mailbox.wake()
  }()
  await poster
  request.wait()
  #expect(request.outputs == [.init(name: "x", datatype: .int32, shape: [2], elements: [Int32(7), -1])])
  #expect(request.outputs[0].elements(as: Int32.self) == [7, -1])
}
