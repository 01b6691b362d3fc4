internal import Documents

/// What a list of endpoints or of deployments is narrowed to, and its order, as Azure's lists take them.
internal struct ListFilter {
  enum Order: String, CaseIterable {
    case createdFirst = "CreatedAtAsc"
    case createdLast = "CreatedAtDesc"
    case updatedFirst = "UpdatedAtAsc"
    case updatedLast = "UpdatedAtDesc"
  }

  enum ComputeType: String, CaseIterable {
    case managed = "Managed"
    case kubernetes = "Kubernetes"
    /// Of batch endpoints: nothing here has it.
    case cluster = "AzureMLCompute"
  }

  /// A key that has to be there, and its value if that matters.
  private typealias Wanted = (key: String, value: String?)

  /// Most elements of `tags`, and of `properties`.
  static let mostKeys = 100
  private static let known = ["name", "count", "skip", "tags", "properties", "computeType", "orderBy"]
  /// The same in the spelling of OData, and what every request has.
  private static let alsoKnown = ["$top", "$skip", "$orderBy", "api-version"]

  private let name: String?
  private let tags: [Wanted]
  private let properties: [Wanted]
  private let computeType: ComputeType?
  private let order: Order?

  /// - Throws: `ControlError.badArgument` for a parameter that means nothing here: a list that leaves it aside would show
  ///   what the caller did not ask for.
  init(_ request: ControlRequest) throws(ControlError) {
    for parameter in request.query.keys.sorted() where !(ListFilter.known + ListFilter.alsoKnown).contains(parameter) {
      let nearest = NearestName.of(parameter, in: ListFilter.known).map { ". Did you mean '\($0)'?" } ?? ""
      throw ControlError(
        .badArgument, "parameter '\(parameter.prefix(64))' is unknown: expected one of "
          + "\(ListFilter.known.joined(separator: ", "))\(nearest)")
    }
    name = request.query["name"].flatMap { $0.isEmpty ? nil : $0 }
    tags = try ListFilter.wanted("tags", request)
    properties = try ListFilter.wanted("properties", request)
    computeType = try ListFilter.word("computeType", request.query["computeType"])
    order = try ListFilter.word("orderBy", request.query["orderBy"] ?? request.query["$orderBy"])
  }

  private static func wanted(_ parameter: String, _ request: ControlRequest) throws(ControlError) -> [Wanted] {
    guard let text = request.query[parameter], !text.isEmpty else { return [] }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count <= mostKeys else {
      throw ControlError(.badArgument, "\(parameter) has \(parts.count) keys: expected at most \(mostKeys)")
    }
    var wanted: [Wanted] = []
    for part in parts {
      let key = part.prefix { $0 != "=" }
      guard !key.isEmpty else {
        throw ControlError(
          .badArgument, "\(parameter) is '\(text.prefix(64))': expected 'key' or 'key=value', several with ',' between them")
      }
      let value: String? = key.endIndex == part.endIndex ? nil : String(part[key.endIndex...].dropFirst())
      wanted.append((key: String(key), value: value))
    }
    return wanted
  }

  private static func word<Word: RawRepresentable<String> & CaseIterable>(
    _ parameter: String, _ text: String?
  ) throws(ControlError) -> Word? {
    guard let text, !text.isEmpty else { return nil }
    if let word = Word.allCases.first(where: { $0.rawValue.lowercased() == text.lowercased() }) { return word }
    let words = Word.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
    throw ControlError(.badArgument, "\(parameter) is '\(text.prefix(64))': expected one of \(words)")
  }

  func shows(
    name: String, tags: [String: String], properties: [String: String], computeType: ComputeType
  ) -> Bool {
    if let wanted = self.name, wanted != name { return false }
    if let wanted = self.computeType, wanted != computeType { return false }
    return ListFilter.has(tags, self.tags) && ListFilter.has(properties, self.properties)
  }

  private static func has(_ bag: [String: String], _ wanted: [Wanted]) -> Bool {
    wanted.allSatisfy { key, value in
      guard let own = bag[key] else { return false }
      return value == nil || value == own
    }
  }

  /// In the order that was asked for; else, and among those of one instant, as they came: by name.
  func ordered<Record>(
    _ records: [Record], created: (Record) -> Int64, modified: (Record) -> Int64
  ) -> [Record] {
    guard let order else { return records }
    let keys = records.map { record -> Int64 in
      switch order {
      case .createdFirst: created(record)
      case .createdLast: -created(record)
      case .updatedFirst: modified(record)
      case .updatedLast: -modified(record)
      }
    }
    return records.indices.sorted { (keys[$0], $0) < (keys[$1], $1) }.map { records[$0] }
  }
}

extension Page {
  /// An answer with ARM's `nextLink`: the full address of the next page of a list that has one.
  ///
  /// - Parameter path: Of the list, as identifiers spell it.
  internal static func linked(_ answer: ControlResponse, path: String, _ request: ControlRequest) -> ControlResponse {
    guard request.method == .get, var body = answer.body?.object, let next = body["nextSkip"]?.int else { return answer }
    var query = request.query
    query["$skip"] = nil
    query["skip"] = "\(next)"
    let pairs = query.sorted { $0.key < $1.key }.map { "\(inAddress($0.key))=\(inAddress($0.value))" }
    let segments = path.split(separator: "/").map { inAddress(String($0)) }
    body["nextLink"] = .string("\(request.baseAddress)/\(segments.joined(separator: "/"))?\(pairs.joined(separator: "&"))")
    var linked = answer
    linked.body = .object(body)
    return linked
  }

  /// A name or a value as an address has it. What is not "unreserved" is escaped (RFC 3986, section 2.3).
  private static func inAddress(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF")
    var address = ""
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
        address.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        address.append("%")
        address.append(digits[Int(byte >> 4)])
        address.append(digits[Int(byte & 15)])
      }
    }
    return address
  }
}
