extension QueryValue {
  /// Nil if the text is not JSON.
  init?(json: String) {
    let limits = DocumentLimits(maxBytes: Query.Limits.textBytes)
    guard let document = try? Document(json: json, limits: limits) else { return nil }
    self.init(document)
  }

  /// The number that a text is; null if it is none.
  init(number text: String) {
    switch QueryValue(json: text) {
    case .integer(let value): self = .integer(value)
    case .number(let value): self = .number(value)
    default: self = .null
    }
  }

  /// As JSON without spaces.
  var json: String {
    var size = 0
    return ((try? document(counting: &size)) ?? .null).json()
  }
}
