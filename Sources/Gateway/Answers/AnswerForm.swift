/// The form in which an answer is wanted: that of its question.
package enum AnswerForm: Hashable, Sendable {
  /// Open Inference Protocol. `binary` says for each requested output, or for all of them by `binaryByDefault`, whether
  /// it follows the JSON as bytes.
  case openInference(binaryByDefault: Bool, binary: [Bool?])
  /// A list alone, as Azure ML gives for `input_data`: the output's values, or an object a row if there are several.
  case list
  /// `{"predictions": […]}`: TensorFlow Serving's row form.
  case predictions
  /// `{"outputs": …}`: TensorFlow Serving's column form.
  case outputs
}
