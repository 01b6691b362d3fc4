internal import Inference

/// The tensors of a scoring request while they are read, an assembler for each input of the model.
struct ScoreDraft {
  let request: GatewayRequest
  let signature: ModelSignature
  private var assemblers: [TensorAssembler]
  private var isGiven: [Bool]
  /// Rows, where the form counts them.
  private var rows: Int?
  private var parameters: [RequestParameter] = []

  init(request: GatewayRequest, signature: ModelSignature) {
    self.request = request
    self.signature = signature
    assemblers = signature.inputs.map { TensorAssembler($0.datatype) }
    isGiven = signature.inputs.map { _ in false }
  }

  mutating func drop() {
    for assembler in assemblers { assembler.buffer.deallocate() }
    assemblers = []
  }

  mutating func read(_ kind: ScoreKind, _ scanner: inout JSONScanner) throws(JSONFault) {
    if kind.answer == .predictions { return try readInstances(&scanner) }
    guard scanner.next() == UInt8(ascii: "{") else {
      let only = try onlyInput(&scanner)
      isGiven[only] = true
      return try assemblers[only].read(&scanner)
    }
    if kind.answer == .list, try isTable(scanner) { return try readTable(&scanner) }
    try scanner.object { scanner, name throws(JSONFault) in
      let index = try inputIndex(name, &scanner)
      guard !isGiven[index] else { throw JSONFault("given twice", at: scanner.offset) }
      isGiven[index] = true
      try assemblers[index].read(&scanner)
    }
  }

  private func onlyInput(_ scanner: inout JSONScanner) throws(JSONFault) -> Int {
    guard signature.inputs.count == 1 else {
      throw scanner.fault("an object with the model's inputs, \(inputNames)")
    }
    return 0
  }

  private var inputNames: String { signature.inputs.map { "'\($0.name)'" }.joined(separator: ", ") }

  private func inputIndex(_ name: JSONString, _ scanner: inout JSONScanner) throws(JSONFault) -> Int {
    let text = name.text
    guard let index = signature.inputs.firstIndex(where: { $0.name == text }) else {
      throw JSONFault("not an input of the model; it takes \(inputNames)", at: scanner.offset)
    }
    return index
  }

  // MARK: - Rows

  /// `[value, …]` for a model with one input, or `[{"<input>": value, …}, …]`.
  private mutating func readInstances(_ scanner: inout JSONScanner) throws(JSONFault) {
    var count = 0
    try scanner.list { scanner, index throws(JSONFault) in
      count = index + 1
      let isObject = scanner.next() == UInt8(ascii: "{")
      if isObject, !scanner.beginsBase64() { return try readRowObject(&scanner) }
      let only = try onlyInput(&scanner)
      isGiven[only] = true
      try assemblers[only].readRow(&scanner)
    }
    rows = count
  }

  private mutating func readRowObject(_ scanner: inout JSONScanner) throws(JSONFault) {
    let start = scanner.offset
    var given = [Bool](repeating: false, count: assemblers.count)
    try scanner.object { scanner, name throws(JSONFault) in
      let index = try inputIndex(name, &scanner)
      guard !given[index] else { throw JSONFault("given twice", at: scanner.offset) }
      given[index] = true
      try assemblers[index].readRow(&scanner)
    }
    if let missing = given.firstIndex(of: false) {
      throw JSONFault("'\(signature.inputs[missing].name)' is missing; the model takes \(inputNames)", at: start)
    }
    isGiven = given
  }

  // MARK: - Tables

  /// Whether an object is a table: it has columns and rows, and the model has no inputs of these names.
  private func isTable(_ scanner: JSONScanner) throws(JSONFault) -> Bool {
    if signature.inputs.contains(where: { $0.name == "columns" || $0.name == "data" }) { return false }
    var scanner = scanner
    var hasColumns = false
    var hasData = false
    try scanner.object { scanner, name throws(JSONFault) in
      if name.equals("columns") { hasColumns = true }
      if name.equals("data") { hasData = true }
      try scanner.skipValue(depth: 2)
    }
    return hasColumns || hasData
  }

  /// `{"columns": [names], "index": [ignored], "data": [[a value a column], …]}`
  private mutating func readTable(_ scanner: inout JSONScanner) throws(JSONFault) {
    var columns: [String] = []
    var columnsOffset = scanner.offset
    var dataOffset: Int?
    let start = scanner.offset
    try scanner.object { scanner, name throws(JSONFault) in
      if name.equals("columns") {
        columnsOffset = scanner.offset
        try scanner.list { scanner, _ throws(JSONFault) in columns.append(try scanner.columnName()) }
      } else if name.equals("data") {
        guard dataOffset == nil else { throw JSONFault("given twice", at: scanner.offset) }
        dataOffset = try scanner.skipValue(depth: 2)
      } else if name.equals("index") {
        try scanner.skipValue(depth: 2)
      } else {
        throw JSONFault("not a part of a table: expected 'columns', 'index' and 'data'", at: scanner.offset)
      }
    }
    guard let dataOffset else { throw JSONFault("'data' is missing", at: start) }
    let places: [Int?]
    do throws(JSONFault) { places = try self.places(of: columns, columnsOffset) } catch {
      throw error.inside("columns")
    }
    var data = JSONScanner(scanner.bytes, offset: dataOffset)
    do throws(JSONFault) { try readRows(&data, places) } catch { throw error.inside("data") }
  }

  /// The input of each column, nil for one that the model does not take. Empty where the one input takes whole rows.
  private func places(of columns: [String], _ offset: Int) throws(JSONFault) -> [Int?] {
    if signature.inputs.count == 1, !columns.contains(signature.inputs[0].name) {
      let width = signature.inputs[0].shape.last ?? 1
      guard width < 0 || Int(width) == columns.count else {
        throw JSONFault("\(columns.count) columns; the model's input '\(signature.inputs[0].name)' takes \(width)", at: offset)
      }
      return []
    }
    for (index, column) in columns.enumerated() where columns[..<index].contains(column) {
      throw JSONFault("'\(column)' is given twice", at: offset)
    }
    if let missing = signature.inputs.first(where: { !columns.contains($0.name) }) {
      throw JSONFault("'\(missing.name)' is missing; the model takes \(inputNames)", at: offset)
    }
    return columns.map { column in signature.inputs.firstIndex { $0.name == column } }
  }

  private mutating func readRows(_ scanner: inout JSONScanner, _ places: [Int?]) throws(JSONFault) {
    isGiven = isGiven.map { _ in true }
    var count = 0
    try scanner.list { scanner, row throws(JSONFault) in
      count = row + 1
      guard !places.isEmpty else { return try assemblers[0].readRow(&scanner) }
      let start = scanner.offset
      var width = 0
      try scanner.list { scanner, column throws(JSONFault) in
        width = column + 1
        guard column < places.count else {
          throw JSONFault("the row is longer than the \(places.count) columns", at: scanner.offset)
        }
        if let input = places[column] {
          try assemblers[input].readRow(&scanner)
        } else {
          try scanner.skipValue(depth: 4)
        }
      }
      guard width == places.count else {
        throw JSONFault("the row has \(width) values; there are \(places.count) columns", at: start)
      }
    }
    rows = count
  }

  // MARK: - The end

  /// MLflow's `params`: they become the request's parameters.
  mutating func readParameters(_ scanner: inout JSONScanner) throws(JSONFault) {
    if scanner.takeWord("null") { return }
    try scanner.object { scanner, name throws(JSONFault) in
      guard parameters.count < OpenInferenceReader.maxParts else {
        throw JSONFault("more than the limit of \(OpenInferenceReader.maxParts)", at: scanner.offset)
      }
      guard let value = try scanner.parameter(request) else { return }
      do throws(InferenceError) {
        parameters.append(RequestParameter(key: try request.copy(name), value: value))
      } catch { throw JSONFault(passing: error) }
    }
  }

  /// Gives everything to the request.
  mutating func finish(_ kind: ScoreKind) throws(JSONFault) {
    if let missing = isGiven.firstIndex(of: false), !assemblers.isEmpty {
      let fault = JSONFault("'\(signature.inputs[missing].name)' is missing; the model takes \(inputNames)", at: kind.valueOffset)
      throw fault.inside(kind.member)
    }
    do throws(InferenceError) {
      var tensors: [Tensor] = []
      for (index, input) in signature.inputs.enumerated() {
        let shape = ScoreDraft.fitted(assemblers[index].shape(rows: rows), to: input.shape)
        let bytes = request.adopt(assemblers[index].buffer)
        assemblers[index] = TensorAssembler(input.datatype)
        tensors.append(
          Tensor(
            name: try request.copy(input.name), datatype: input.datatype,
            shape: UnsafeBufferPointer(try request.copyValues(shape)), bytes: bytes))
      }
      request.pointer.pointee.inputs = try request.copyValues(tensors)
      request.pointer.pointee.parameters = try request.copyValues(parameters)
    } catch { throw JSONFault(passing: error) }
  }

  /// The lists' shape, with the axes of length 1 that the model has at its end and the lists do not.
  private static func fitted(_ shape: [Int64], to expected: [Int64]) -> [Int64] {
    guard shape.count < expected.count, expected[shape.count...].allSatisfy({ $0 == 1 }) else { return shape }
    return shape + [Int64](repeating: 1, count: expected.count - shape.count)
  }
}

extension JSONScanner {
  fileprivate func beginsBase64() -> Bool {
    var scanner = self
    guard scanner.take("{"), scanner.next() == UInt8(ascii: "\""), let name = try? scanner.string() else { return false }
    return name.equals("b64")
  }

  /// A column's name: a string, or the number that pandas gives to a column without one.
  fileprivate mutating func columnName() throws(JSONFault) -> String {
    if next() == UInt8(ascii: "\"") { return try string().text }
    return String(decoding: try number().text, as: UTF8.self)
  }
}
