internal import CProtos
internal import Inference

/// `model_warmup`, both ways.
extension WarmUpSample {
  init(_ c: Inference__ModelWarmup, at index: Int) throws(InferenceError) {
    self.init(name: string(c.name))
    batchSize = Int(c.batch_size)
    count = max(Int(c.count), 1)  // 0 is "not said"
    for entry in array(c.inputs, c.n_inputs) {
      let input = string(entry!.pointee.key)
      inputs[input] = try Input(entry!.pointee.value, "\(title(at: index)), input '\(input)'")
    }
  }

  func c(_ builder: MessageBuilder) -> UnsafeMutablePointer<Inference__ModelWarmup> {
    let c = builder.make(inference__model_warmup__init)
    c.pointee.name = builder.string(name)
    c.pointee.batch_size = UInt32(clamping: batchSize)
    c.pointee.n_inputs = inputs.count
    c.pointee.inputs = builder.entries(inputs, inference__model_warmup__inputs_entry__init) {
      ($0.key, $0.value) = ($1, $2.c(builder))
    }
    c.pointee.count = UInt32(clamping: count)
    return c
  }
}

extension WarmUpSample.Input {
  fileprivate init(_ c: UnsafePointer<Inference__ModelWarmup__Input>?, _ path: String) throws(InferenceError) {
    guard let c = c?.pointee, let datatype = Datatype(c.data_type) else {
      throw .invalidArgument("\(path): data_type is not set; expected a type such as TYPE_FP32")
    }
    let dims = array(c.dims, c.n_dims)
    if let axis = dims.firstIndex(where: { $0 < 0 }) {
      throw .invalidArgument("\(path): dims[\(axis)] is \(dims[axis]); expected 0 or more, because a sample has a size")
    }
    self.init(datatype: datatype, dims: dims, contents: try Contents(c, path))
  }

  fileprivate func c(_ builder: MessageBuilder) -> UnsafeMutablePointer<Inference__ModelWarmup__Input> {
    let c = builder.make(inference__model_warmup__input__init)
    c.pointee.data_type = datatype.configType
    c.pointee.n_dims = dims.count
    c.pointee.dims = builder.scalars(dims)
    switch contents {
    case .zeros:
      c.pointee.input_data_type_case = INFERENCE__MODEL_WARMUP__INPUT__INPUT_DATA_TYPE_ZERO_DATA
      c.pointee.zero_data = 1
    case .random:
      c.pointee.input_data_type_case = INFERENCE__MODEL_WARMUP__INPUT__INPUT_DATA_TYPE_RANDOM_DATA
      c.pointee.random_data = 1
    case .file(let file):
      c.pointee.input_data_type_case = INFERENCE__MODEL_WARMUP__INPUT__INPUT_DATA_TYPE_INPUT_DATA_FILE
      c.pointee.input_data_file = builder.string(file)
    }
    return c
  }
}

extension WarmUpSample.Input.Contents {
  /// Which field is set decides; Triton does not look at the values of the first two either.
  fileprivate init(_ c: Inference__ModelWarmup__Input, _ path: String) throws(InferenceError) {
    switch c.input_data_type_case {
    case INFERENCE__MODEL_WARMUP__INPUT__INPUT_DATA_TYPE_ZERO_DATA: self = .zeros
    case INFERENCE__MODEL_WARMUP__INPUT__INPUT_DATA_TYPE_RANDOM_DATA: self = .random
    case INFERENCE__MODEL_WARMUP__INPUT__INPUT_DATA_TYPE_INPUT_DATA_FILE: self = .file(string(c.input_data_file))
    default:
      throw .invalidArgument("\(path): no data is set; expected one of zero_data, random_data and input_data_file")
    }
  }
}
