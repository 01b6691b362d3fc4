package import Inference

/// A ModelInferResponse read where it lies, for clients: the tensors' bytes are not copied.
///
/// Reads what servers send: raw contents, strings that are UTF-8, parameters with values. Everything else, malformed
/// messages among it, is left to `ModelInferResponse`, which copies and says what is wrong.
package struct ScannedInferResponse {
  package struct Output {
    package var name = ""
    package var datatype = Datatype.uint8
    package var shape: [Int64] = []
    package var parameters: [String: InferParameter] = [:]
    /// Inside the message.
    package var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
  }

  package private(set) var modelName = ""
  package private(set) var modelVersion = ""
  package private(set) var id = ""
  package private(set) var parameters: [String: InferParameter] = [:]
  package private(set) var outputs: [Output] = []

  /// Nil if it is not as servers send it.
  package init?(_ message: UnsafeRawBufferPointer) {
    var reader = WireReader(message)
    var rawCount = 0
    var rawStart: UnsafeRawPointer?
    while !reader.isAtEnd {
      let fieldStart = reader.at
      guard let tag = reader.tag(), tag.wireType == WireType.lengthDelimited, let bytes = reader.lengthDelimited()
      else { return nil }
      switch tag.number {
      case 1: guard text(bytes, &modelName) else { return nil }
      case 2: guard text(bytes, &modelVersion) else { return nil }
      case 3: guard text(bytes, &id) else { return nil }
      case 4: guard readParameter(bytes, into: &parameters) else { return nil }
      case 5:
        guard let output = scanOutput(bytes) else { return nil }
        outputs.append(output)
      case 6:
        if rawCount == 0 { rawStart = fieldStart }
        // Servers write the raw contents last; so what follows the first is all of them.
        if rawCount < outputs.count { outputs[rawCount].bytes = bytes }
        rawCount += 1
      default: return nil
      }
      if rawStart != nil, tag.number != 6 { return nil }
    }
    if rawCount != outputs.count { return nil }
  }

  private func scanOutput(_ message: UnsafeRawBufferPointer) -> Output? {
    var output = Output()
    var hasDatatype = false
    var reader = WireReader(message)
    while !reader.isAtEnd {
      guard let tag = reader.tag() else { return nil }
      if tag.number == 3, tag.wireType == WireType.varint {
        guard let length = reader.varint() else { return nil }
        output.shape.append(Int64(bitPattern: length))
        continue
      }
      guard tag.wireType == WireType.lengthDelimited, let bytes = reader.lengthDelimited() else { return nil }
      switch tag.number {
      case 1: guard text(bytes, &output.name) else { return nil }
      case 2:
        guard let datatype = Datatype(token: bytes) else { return nil }
        output.datatype = datatype
        hasDatatype = true
      case 3:
        var axes = WireReader(bytes)
        while !axes.isAtEnd {
          guard let length = axes.varint() else { return nil }
          output.shape.append(Int64(bitPattern: length))
        }
      case 4: guard readParameter(bytes, into: &output.parameters) else { return nil }
      default: return nil  // typed contents among others
      }
    }
    return hasDatatype ? output : nil
  }
}

/// A ModelStreamInferResponse read where it lies.
package struct ScannedStreamResponse {
  package private(set) var errorMessage = ""
  /// The bytes of the ModelInferResponse; nil if there is none.
  package private(set) var response: UnsafeRawBufferPointer?

  /// Nil if it is malformed.
  package init?(_ message: UnsafeRawBufferPointer) {
    var reader = WireReader(message)
    while !reader.isAtEnd {
      guard let tag = reader.tag(), tag.wireType == WireType.lengthDelimited, let bytes = reader.lengthDelimited()
      else { return nil }
      switch tag.number {
      case 1: guard text(bytes, &errorMessage) else { return nil }
      case 2: response = bytes
      default: continue
      }
    }
  }
}

@inline(__always)
private func text(_ bytes: UnsafeRawBufferPointer, _ value: inout String) -> Bool {
  guard textFault(in: bytes) == nil else { return false }
  value = String(decoding: bytes, as: UTF8.self)
  return true
}

/// An entry of a map of parameters; false if it is not a string and a value that is known.
private func readParameter(_ message: UnsafeRawBufferPointer, into parameters: inout [String: InferParameter]) -> Bool {
  var reader = WireReader(message)
  var key = ""
  var value: InferParameter?
  while !reader.isAtEnd {
    guard let tag = reader.tag(), tag.wireType == WireType.lengthDelimited, let bytes = reader.lengthDelimited()
    else { return false }
    switch tag.number {
    case 1: guard text(bytes, &key) else { return false }
    case 2:
      value = scanParameter(bytes)
      if value == nil { return false }
    default: return false
    }
  }
  guard let value else { return false }
  parameters[key] = value
  return true
}

private func scanParameter(_ message: UnsafeRawBufferPointer) -> InferParameter? {
  var reader = WireReader(message)
  guard let tag = reader.tag() else { return nil }
  var value: InferParameter?
  switch (tag.number, tag.wireType) {
  case (1, WireType.varint): value = reader.varint().map { .bool($0 != 0) }
  case (2, WireType.varint): value = reader.varint().map { .int64(Int64(bitPattern: $0)) }
  case (3, WireType.lengthDelimited):
    var string = ""
    if let bytes = reader.lengthDelimited(), text(bytes, &string) { value = .string(string) }
  case (4, WireType.fixed64):
    let at = reader.at
    if reader.skip(8) { value = .double(Double(bitPattern: at.loadUnaligned(as: UInt64.self))) }
  case (5, WireType.varint): value = reader.varint().map { .uint64($0) }
  default: return nil
  }
  return reader.isAtEnd ? value : nil
}
