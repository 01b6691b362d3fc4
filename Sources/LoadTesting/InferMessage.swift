package import Inference
internal import Wire

/// A tensor to send.
package struct LoadTensor: Hashable, Sendable {
  package var name: String
  package var datatype: Datatype
  package var shape: [Int64]
  /// Row-major, little-endian; each element of BYTES is behind its length in four bytes.
  package var bytes: [UInt8]

  package init(name: String, datatype: Datatype, shape: [Int64], bytes: [UInt8]) {
    (self.name, self.datatype, self.shape, self.bytes) = (name, datatype, shape, bytes)
  }
}

/// Makes the wire form of a ModelInferRequest.
package enum InferMessage {
  package static let method = "/inference.GRPCInferenceService/ModelInfer"

  /// - Parameters:
  ///   - version: Empty: the server chooses.
  ///   - priority: Triton's `priority` parameter; nil: none.
  package static func encode(
    model: String, version: String = "", priority: UInt64? = nil, inputs: [LoadTensor]
  ) -> [UInt8] {
    var request = ModelInferRequest(modelName: model)
    request.modelVersion = version
    if let priority { request.parameters["priority"] = .uint64(priority) }
    request.inputs = inputs.map {
      InferTensor(name: $0.name, datatype: $0.datatype, shape: $0.shape, bytes: $0.bytes)
    }
    return request.encoded()
  }
}
