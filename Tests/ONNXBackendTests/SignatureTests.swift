import Backends
import Inference
import Testing

struct SignatureTests {
  @Test(arguments: Datatype.allCases)
  func `every datatype of the protocol is read by its name`(_ datatype: Datatype) throws {
    let signature = try load("identity_\(datatype)".lowercased()).signature
    #expect(signature.inputs == [TensorMetadata(name: "INPUT0", datatype: datatype, shape: [-1, -1])])
    #expect(signature.outputs == [TensorMetadata(name: "OUTPUT0", datatype: datatype, shape: [-1, -1])])
    #expect(signature.isBatchable)
  }

  @Test func `inputs and outputs come in the model's order`() throws {
    let signature = try load("simple").signature
    #expect(signature.inputs.map(\.name) == ["INPUT0", "INPUT1"])
    #expect(signature.outputs.map(\.name) == ["OUTPUT0", "OUTPUT1"])
    #expect((signature.inputs + signature.outputs).allSatisfy { $0.shape == [-1, 16] && $0.datatype == .int32 })
  }

  @Test func `a scalar has no axes`() throws {
    let signature = try load("scalar").signature
    #expect(signature.inputs[0].shape == [])
    #expect(signature.outputs[0].shape == [])
  }

  @Test(arguments: [
    ("simple", true), ("sequence", true), ("wide", true),
    ("unnamed_axis", true),  // nothing speaks against it
    ("fixed", false),  // axis 0 has one length
    ("scalar", false),  // no axis 0
    ("rowsum_not_batch", false),  // the output's axis 0 has one length
    ("other_axis", false),  // axis 0 of the inputs are different things
  ])
  func `a model batches if axis 0 of all its tensors can have any length, and the same`(
    _ name: String, isBatchable: Bool
  ) throws {
    #expect(try load(name).signature.isBatchable == isBatchable)
  }

  @Test func `a model says where it runs and what it holds`() throws {
    let model = try load("simple")
    #expect(model.placement.hasPrefix("CPUExecutionProvider"))
    #expect(model.memoryUsage.map(\.kind) == ["CPU"])
    #expect(model.memoryUsage[0].byteCount > 0)
    #expect(model.suggestedInstanceCount >= 1)
  }
}
