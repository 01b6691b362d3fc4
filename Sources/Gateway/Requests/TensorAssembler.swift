internal import Inference

/// One tensor on its way out of a JSON text: its elements so far, and the shape that its lists have had.
///
/// The first list of each depth says how long all lists of that depth are. BYTES elements are strings, or objects of
/// the form `{"b64": "<base64>"}` for what is not text (TensorFlow Serving, "Encoding binary values").
struct TensorAssembler {
  /// Axes, at most.
  static let maxRank = 32

  let datatype: Datatype
  private(set) var buffer = TensorBuffer()
  private(set) var elementCount = 0
  /// Length of the lists at each depth; -1 while none of them has ended.
  private var lengths: [Int] = []
  /// Depth at which the elements are; -1 before the first one.
  private var leafDepth = -1

  init(_ datatype: Datatype) { self.datatype = datatype }

  /// Makes room for so many bytes.
  mutating func reserveBytes(_ count: Int) { buffer.reserve(count) }

  /// The lists' lengths from the outermost to the innermost. A list that was read row by row has no first axis here:
  /// the caller counted it.
  func shape(rows: Int? = nil) -> [Int64] {
    let inner = leafDepth >= 0 ? lengths.prefix(leafDepth) : lengths[...]
    var shape = inner.map { Int64(max($0, 0)) }
    if let rows {
      if shape.isEmpty { shape = [0] }
      shape[0] = Int64(rows)
    }
    return shape
  }

  /// Reads the whole tensor: a list of lists, a list, or an element alone.
  mutating func read(_ scanner: inout JSONScanner) throws(JSONFault) { try value(&scanner, depth: 0) }

  /// Reads what stands at one index of axis 0.
  mutating func readRow(_ scanner: inout JSONScanner) throws(JSONFault) {
    if lengths.isEmpty { lengths = [-1] }
    try value(&scanner, depth: 1)
  }

  private mutating func value(_ scanner: inout JSONScanner, depth: Int) throws(JSONFault) {
    guard scanner.next() == UInt8(ascii: "[") else {
      guard leafDepth < 0 || leafDepth == depth else { throw scanner.fault("a list, as in the elements before it") }
      guard leafDepth == depth || lengths.count <= depth else { throw scanner.fault("a list, as in those before it") }
      leafDepth = depth
      return try element(&scanner)
    }
    guard depth < TensorAssembler.maxRank else {
      throw JSONFault("more than \(TensorAssembler.maxRank) lists within each other", at: scanner.offset)
    }
    guard leafDepth < 0 || leafDepth > depth else { throw scanner.fault(expectation) }
    let start = scanner.offset
    scanner.offset += 1
    while lengths.count <= depth { lengths.append(-1) }
    let count = try contents(&scanner, depth: depth + 1)
    if lengths[depth] < 0 { lengths[depth] = count }
    guard lengths[depth] == count else {
      throw JSONFault(
        "the list is \(count) long; those before it at this depth are \(lengths[depth]) long", at: start)
    }
  }

  /// The elements of a list whose bracket was taken, and its closing bracket.
  private mutating func contents(_ scanner: inout JSONScanner, depth: Int) throws(JSONFault) -> Int {
    if scanner.take("]") { return 0 }
    if leafDepth == depth, scanner.next() != UInt8(ascii: "[") { return try leaves(&scanner) }
    var count = 0
    while true {
      do throws(JSONFault) {
        try value(&scanner, depth: depth)
      } catch { throw error.inside(index: count) }
      count += 1
      if scanner.take("]") { return count }
      try scanner.expect(",", "',' or ']'")
      // The first element told that these are elements: the others need no looking at.
      if leafDepth == depth { return try leaves(&scanner, from: count) }
    }
  }

  private mutating func leaves(_ scanner: inout JSONScanner, from count: Int = 0) throws(JSONFault) -> Int {
    switch datatype {
    case .bool: try leaves(JSONBool.self, &scanner, count)
    case .uint8: try leaves(UInt8.self, &scanner, count)
    case .uint16: try leaves(UInt16.self, &scanner, count)
    case .uint32: try leaves(UInt32.self, &scanner, count)
    case .uint64: try leaves(UInt64.self, &scanner, count)
    case .int8: try leaves(Int8.self, &scanner, count)
    case .int16: try leaves(Int16.self, &scanner, count)
    case .int32: try leaves(Int32.self, &scanner, count)
    case .int64: try leaves(Int64.self, &scanner, count)
    case .fp16: try leaves(JSONHalf.self, &scanner, count)
    case .bf16: try leaves(JSONBrain.self, &scanner, count)
    case .fp32: try leaves(Float.self, &scanner, count)
    case .fp64: try leaves(Double.self, &scanner, count)
    case .bytes: try byteLeaves(&scanner, count)
    }
  }

  /// Elements up to the closing bracket, straight into the tensor's memory.
  @inline(__always)
  private mutating func leaves<Element: JSONElement>(
    _: Element.Type, _ scanner: inout JSONScanner, _ first: Int
  ) throws(JSONFault) -> Int {
    var count = first
    while true {
      do throws(JSONFault) {
        buffer.append(try Element.read(&scanner))
      } catch { throw error.inside(index: count) }
      count &+= 1
      if scanner.take(",") { continue }
      if scanner.take("]") { break }
      throw scanner.fault("',' or ']'")
    }
    elementCount += count - first
    return count
  }

  private mutating func byteLeaves(_ scanner: inout JSONScanner, _ first: Int) throws(JSONFault) -> Int {
    var count = first
    while true {
      do throws(JSONFault) { try element(&scanner) } catch { throw error.inside(index: count) }
      count += 1
      if scanner.take("]") { return count }
      try scanner.expect(",", "',' or ']'")
    }
  }

  private mutating func element(_ scanner: inout JSONScanner) throws(JSONFault) {
    switch datatype {
    case .bool: buffer.append(try JSONBool.read(&scanner))
    case .uint8: buffer.append(try UInt8.read(&scanner))
    case .uint16: buffer.append(try UInt16.read(&scanner))
    case .uint32: buffer.append(try UInt32.read(&scanner))
    case .uint64: buffer.append(try UInt64.read(&scanner))
    case .int8: buffer.append(try Int8.read(&scanner))
    case .int16: buffer.append(try Int16.read(&scanner))
    case .int32: buffer.append(try Int32.read(&scanner))
    case .int64: buffer.append(try Int64.read(&scanner))
    case .fp16: buffer.append(try JSONHalf.read(&scanner))
    case .bf16: buffer.append(try JSONBrain.read(&scanner))
    case .fp32: buffer.append(try Float.read(&scanner))
    case .fp64: buffer.append(try Double.read(&scanner))
    case .bytes: try bytesElement(&scanner)
    }
    elementCount += 1
  }

  private mutating func bytesElement(_ scanner: inout JSONScanner) throws(JSONFault) {
    if scanner.next() == UInt8(ascii: "{") { return try base64Element(&scanner) }
    guard scanner.next() == UInt8(ascii: "\"") else { throw scanner.fault(expectation) }
    let string = try scanner.string()
    append(limit: string.maxByteCount) { string.decode(to: $0) }
  }

  private mutating func base64Element(_ scanner: inout JSONScanner) throws(JSONFault) {
    let start = scanner.offset
    var text: JSONString?
    try scanner.object { scanner, name throws(JSONFault) in
      guard name.equals("b64"), text == nil else {
        throw JSONFault("expected a string, or an object with the one member 'b64'", at: start)
      }
      text = try scanner.string()
    }
    guard let text, let bytes = Base64.decode(text.decoded()) else {
      throw JSONFault("expected an object whose member 'b64' is base64", at: start)
    }
    append(limit: bytes.count) { memory in
      bytes.withUnsafeBytes { if let base = $0.baseAddress { memory.copyMemory(from: base, byteCount: $0.count) } }
      return bytes.count
    }
  }

  private mutating func append(limit: Int, _ body: (UnsafeMutableRawPointer) -> Int) {
    buffer.append(limit: 4 + limit) { memory in
      let count = body(memory + 4)
      memory.storeBytes(of: UInt32(count).littleEndian, as: UInt32.self)
      return 4 + count
    }
  }

  private var expectation: String {
    switch datatype {
    case .bool: "true or false"
    case .bytes: "a string"
    case .fp16, .bf16, .fp32, .fp64: "a number"
    default: "an integer"
    }
  }
}
