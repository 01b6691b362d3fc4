/// A region's offsets from UTC: those of the past as a list, those to come as a yearly rule.
///
/// Read from a file of the IANA database in the form that RFC 8536 calls TZif. Nothing of the process's own time zone
/// is read or changed.
struct TimeZoneRules: Hashable, Sendable {
  /// Unix seconds from which each offset holds, ascending.
  private var transitions: [Int64] = []
  private var offsets: [Int] = []
  /// Before the first transition.
  private var firstOffset: Int
  /// After the last; nil: the last offset stays.
  private var yearly: YearlyRule?

  init(fixedOffset: Int) { firstOffset = fixedOffset }

  func offset(atUnixSeconds seconds: Int64) -> Int {
    guard let last = transitions.last else { return yearly?.offset(atUnixSeconds: seconds) ?? firstOffset }
    if seconds >= last, let yearly { return yearly.offset(atUnixSeconds: seconds) }
    var low = 0
    var high = transitions.count
    while low < high {
      let middle = (low + high) / 2
      if transitions[middle] <= seconds { low = middle + 1 } else { high = middle }
    }
    return low == 0 ? firstOffset : offsets[low - 1]
  }

  /// Nil if the bytes are not a TZif file of version 2 or later.
  init?(tzif bytes: [UInt8]) {
    var reader = Reader(bytes: bytes)
    // The first block is for readers of 32-bit times (section 3.1); the second has what we want.
    guard let old = reader.header(), old.version >= UInt8(ascii: "2"), reader.skip(old.length(timeSize: 4)),
      let header = reader.header(), header.types > 0
    else { return nil }
    var transitions: [Int64] = []
    for _ in 0..<header.times {
      guard let time = reader.integer(bytes: 8) else { return nil }
      transitions.append(time)
    }
    var kinds: [Int] = []
    for _ in 0..<header.times {
      guard let kind = reader.byte(), kind < header.types else { return nil }
      kinds.append(Int(kind))
    }
    var offsets: [Int] = []
    for _ in 0..<header.types {
      guard let offset = reader.integer(bytes: 4), abs(offset) < 100_000, reader.skip(2) else { return nil }
      offsets.append(Int(offset))
    }
    guard zip(transitions, transitions.dropFirst()).allSatisfy({ $0 < $1 }),
      reader.skip(header.characters + header.leaps * 12 + header.standards + header.universals),
      let footer = reader.footer()
    else { return nil }
    self.transitions = transitions
    self.offsets = kinds.map { offsets[$0] }
    firstOffset = offsets[0]
    if !footer.isEmpty {
      guard let rule = YearlyRule(footer) else { return nil }
      yearly = rule
    }
  }

  private struct Header {
    var version: UInt8
    var universals, standards, leaps, times, types, characters: Int

    func length(timeSize: Int) -> Int {
      times * (timeSize + 1) + types * 6 + characters + leaps * (timeSize + 4) + standards + universals
    }
  }

  private struct Reader {
    let bytes: [UInt8]
    var offset = 0

    /// Counts are bounded by the file's own size, so that a wrong one can't make the reader work for long.
    mutating func header() -> Header? {
      guard bytes.count - offset >= 44, bytes[offset..<offset + 4].elementsEqual("TZif".utf8) else { return nil }
      let version = bytes[offset + 4]
      offset += 20
      var counts: [Int] = []
      for _ in 0..<6 {
        guard let count = integer(bytes: 4), count >= 0, count <= bytes.count else { return nil }
        counts.append(Int(count))
      }
      return Header(
        version: version, universals: counts[0], standards: counts[1], leaps: counts[2], times: counts[3],
        types: counts[4], characters: counts[5])
    }

    mutating func byte() -> UInt8? {
      guard offset < bytes.count else { return nil }
      offset += 1
      return bytes[offset - 1]
    }

    /// A big-endian number in two's complement.
    mutating func integer(bytes count: Int) -> Int64? {
      guard bytes.count - offset >= count else { return nil }
      var value = Int64(Int8(bitPattern: bytes[offset]))
      for index in 1..<count { value = value << 8 | Int64(bytes[offset + index]) }
      offset += count
      return value
    }

    mutating func skip(_ count: Int) -> Bool {
      guard bytes.count - offset >= count else { return false }
      offset += count
      return true
    }

    mutating func footer() -> String? {
      guard byte() == UInt8(ascii: "\n"), let end = bytes[offset...].firstIndex(of: UInt8(ascii: "\n")) else {
        return nil
      }
      return String(decoding: bytes[offset..<end], as: UTF8.self)
    }
  }
}
