internal import CYaml

/// The events of a YAML text, one after another: libyaml's parser, owned.
///
/// Yams itself builds its tree before anyone can say how deep or how large it may be, so its C half is read directly.
internal struct YAMLEvents: ~Copyable {
  enum Event {
    case scalar(String, isPlain: Bool, tag: String?, anchor: String?)
    case sequenceStart(tag: String?, anchor: String?)
    case mappingStart(tag: String?, anchor: String?)
    case alias(String)
    /// The end of a list or of an object.
    case end
    case documentStart
    case documentEnd
    case streamEnd
  }

  /// Of the last event; from 1.
  private(set) var line = 1
  private(set) var column = 1
  /// On the heap, because libyaml keeps pointers into it.
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let text: UnsafeMutableBufferPointer<UInt8>

  init(_ bytes: [UInt8]) {
    parser = .allocate(capacity: 1)
    parser.initialize(to: yaml_parser_t())
    text = .allocate(capacity: max(bytes.count, 1))
    _ = text.initialize(from: bytes)
    // Only fails without memory.
    precondition(yaml_parser_initialize(parser) == 1, "no memory for a YAML parser")
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    yaml_parser_set_input_string(parser, text.baseAddress, bytes.count)
  }

  deinit {
    yaml_parser_delete(parser)
    parser.deinitialize(count: 1).deallocate()
    text.deallocate()
  }

  /// The next event. Call no more after `streamEnd` or an error.
  mutating func next() throws(DocumentError) -> Event {
    while true {
      var event = yaml_event_t()
      guard yaml_parser_parse(parser, &event) == 1 else { throw failure() }
      defer { yaml_event_delete(&event) }
      line = Int(event.start_mark.line) + 1
      column = Int(event.start_mark.column) + 1
      switch event.type {
      case YAML_SCALAR_EVENT:
        let scalar = event.data.scalar
        let value = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
        return .scalar(
          value, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE, tag: Self.text(scalar.tag),
          anchor: Self.text(scalar.anchor))
      case YAML_SEQUENCE_START_EVENT:
        let start = event.data.sequence_start
        return .sequenceStart(tag: Self.text(start.tag), anchor: Self.text(start.anchor))
      case YAML_MAPPING_START_EVENT:
        let start = event.data.mapping_start
        return .mappingStart(tag: Self.text(start.tag), anchor: Self.text(start.anchor))
      case YAML_ALIAS_EVENT: return .alias(Self.text(event.data.alias.anchor) ?? "")
      case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return .end
      case YAML_DOCUMENT_START_EVENT: return .documentStart
      case YAML_DOCUMENT_END_EVENT: return .documentEnd
      case YAML_STREAM_END_EVENT: return .streamEnd
      default: continue  // The stream's start.
      }
    }
  }

  private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
    pointer.map { String(cString: $0) }
  }

  private func failure() -> DocumentError {
    let problem = parser.pointee.problem.map { String(cString: $0) } ?? "it can't be read"
    let mark = parser.pointee.problem_mark
    // libyaml looks ahead, so its own limit of 1000 can come before ours.
    if problem.hasPrefix("Maximum nesting level") {
      return DocumentError("it is nested deeper than 1000 levels: expected at most maxDepth")
    }
    guard parser.pointee.error != YAML_READER_ERROR else {
      return DocumentError("not YAML: \(problem) at byte \(parser.pointee.problem_offset)")
    }
    return DocumentError("not YAML: \(problem)", line: Int(mark.line) + 1, column: Int(mark.column) + 1)
  }
}
