/// How many requests took how long: counts in buckets whose width is a sixteenth of their octave or less.
///
/// Bounded: 464 buckets from 1 µs to 71 minutes, whatever comes; longer ones count in the last. Percentiles are
/// right to about 6 %, and each bound errs to the side that its name says.
package struct LatencyCounts: Hashable, Sendable {
  package private(set) var total: UInt64 = 0
  /// Empty until the first request.
  private var buckets: [UInt64] = []

  private static let perOctave = 16
  private static let bucketCount = 29 * perOctave

  package init() {}

  /// The number of a latency's bucket.
  private static func bucket(ofNanoseconds nanoseconds: UInt64) -> Int {
    let microseconds = nanoseconds / 1000
    guard microseconds >= UInt64(perOctave) else { return Int(microseconds) }
    let octave = 63 - microseconds.leadingZeroBitCount
    let within = Int((microseconds >> UInt64(octave - 4)) & 15)
    return min((octave - 3) * perOctave + within, bucketCount - 1)
  }

  /// Least latency of a bucket; that of the next bucket is just past its greatest.
  private static func lowerEdge(ofBucket bucket: Int) -> UInt64 {
    guard bucket >= perOctave else { return UInt64(bucket) * 1000 }
    let octave = bucket / perOctave + 3
    return (UInt64(perOctave + bucket % perOctave) << UInt64(octave - 4)) * 1000
  }

  package mutating func record(nanoseconds: UInt64, count: UInt64 = 1) {
    if buckets.isEmpty { buckets = Array(repeating: 0, count: Self.bucketCount) }
    buckets[Self.bucket(ofNanoseconds: nanoseconds)] += count
    total += count
  }

  package mutating func add(_ other: LatencyCounts) {
    guard other.total > 0 else { return }
    if buckets.isEmpty {
      self = other
      return
    }
    for bucket in buckets.indices { buckets[bucket] += other.buckets[bucket] }
    total += other.total
  }

  /// The latency that `percentile` percent of the requests stayed within, read as the upper edge of its bucket; nil if
  /// there are none.
  ///
  /// - Parameter percentile: Above 0, at most 100.
  package func percentile(_ percentile: Double) -> UInt64? {
    guard total > 0 else { return nil }
    let rank = UInt64((Double(total) * percentile / 100).rounded(.up))
    var seen: UInt64 = 0
    for (bucket, count) in buckets.enumerated() {
      seen += count
      if seen >= max(rank, 1) { return Self.lowerEdge(ofBucket: bucket + 1) }
    }
    return nil
  }

  /// How many certainly took this long or longer: those in buckets that begin there or later.
  func count(atLeast nanoseconds: UInt64) -> UInt64 {
    var sum: UInt64 = 0
    for (bucket, count) in buckets.enumerated() where Self.lowerEdge(ofBucket: bucket) >= nanoseconds { sum += count }
    return sum
  }

  /// The upper edge of the first bucket for which `isBeyond` says no to the count of slower requests; nil if it never
  /// does.
  func firstEdge(whereSlower isBeyond: (UInt64) -> Bool) -> UInt64? {
    // The answer is monotone in the count, so the buckets can be halved.
    guard total > 0 else { return nil }
    var slower: [UInt64] = Array(repeating: 0, count: buckets.count)
    var sum: UInt64 = 0
    for bucket in buckets.indices.reversed() {
      slower[bucket] = sum
      sum += buckets[bucket]
    }
    var low = 0
    var high = buckets.count - 1
    guard !isBeyond(slower[high]) else { return nil }
    while low < high {
      let middle = (low + high) / 2
      if isBeyond(slower[middle]) { low = middle + 1 } else { high = middle }
    }
    return Self.lowerEdge(ofBucket: low + 1)
  }
}

/// Written as a list of bucket, count, bucket, count, …, of the buckets that hold something.
extension LatencyCounts: Codable {
  package init(from decoder: any Decoder) throws {
    var list = try decoder.unkeyedContainer()
    while !list.isAtEnd {
      let bucket = try list.decode(Int.self)
      let count = try list.decode(UInt64.self)
      guard (0..<Self.bucketCount).contains(bucket) else {
        throw DecodingError.dataCorruptedError(
          in: list, debugDescription: "latency bucket \(bucket) is not one of 0 to \(Self.bucketCount - 1)")
      }
      record(nanoseconds: Self.lowerEdge(ofBucket: bucket), count: count)
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var list = encoder.unkeyedContainer()
    for (bucket, count) in buckets.enumerated() where count > 0 {
      try list.encode(bucket)
      try list.encode(count)
    }
  }
}
