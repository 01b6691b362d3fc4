import Gateway
import Inference
import Testing

/// Runs small in every test run; for figures, raise the counts and build for release. The hash says that all of it was
/// read and written.
@Test func `a large tensor goes through text and back`() throws {
  var random = SeededNumbers(state: 9)
  let values = (0..<20_000).map { _ in Float.random(in: -1...1, using: &random) }
  let bytes = values.withUnsafeBytes { Array($0) }
  let request = try read(
    #"{"inputs":[{"name":"x","shape":[\#(values.count)],"datatype":"FP32","parameters":{"binary_data_size":\#(bytes.count)}}]}"#,
    binary: bytes)
  try request.echo()
  let clock = ContinuousClock()
  var text: [UInt8] = []
  let writing = try clock.measure {
    text = try OpenInferenceWriter.write(request.pointer, binaryByDefault: false, binary: []).bytes
  }
  let again = makeRequest()
  // An answer's outputs are written as a request's inputs are.
  let question = Array(
    String(decoding: text, as: UTF8.self).replacing(#""outputs""#, with: #""inputs""#).utf8)
  let reading = try clock.measure { _ = try OpenInferenceReader.read(ReceivedBody(question), into: again) }
  let hash = again.values(as: UInt32.self).reduce(UInt64(14_695_981_039_346_656_037)) {
    ($0 ^ UInt64($1)) &* 1_099_511_628_211
  }
  print("JSON of \(values.count) FP32: written in \(writing), read in \(reading), hash \(hash)")
  #expect(again.values(as: Float.self) == values)
}
