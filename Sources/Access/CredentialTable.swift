/// Tags and what is known of them, in sets of four places. A full set gives up the place that expires first.
struct CredentialTable {
  private struct Place {
    var tag: SipTag
    var endpoint: UInt64
    var generation: UInt64
    /// 0: the place is free.
    var expires: Int64
    var value: UInt64
  }

  private static let placesInSet = 4

  private let places: UnsafeMutablePointer<Place>
  private let setMask: Int

  /// - Parameter places: At least this many, 4 or more.
  init(places count: Int) {
    var sets = 1
    while sets * CredentialTable.placesInSet < count { sets *= 2 }
    setMask = sets - 1
    places = .allocate(capacity: sets * CredentialTable.placesInSet)
    let nobody = SipTag(UnsafeRawBufferPointer(start: nil, count: 0), seed: HashSeed(first: 0, second: 0))
    places.initialize(
      repeating: Place(tag: nobody, endpoint: 0, generation: 0, expires: 0, value: 0),
      count: sets * CredentialTable.placesInSet)
  }

  func deallocate() { places.deallocate() }

  func value(_ tag: SipTag, _ access: borrowing EndpointAccess, at now: Int64) -> UInt64? {
    let set = start(tag, access.endpoint)
    var index = 0
    while index < CredentialTable.placesInSet {
      if set[index].tag == tag, set[index].endpoint == access.endpoint, set[index].generation == access.generation,
        now < set[index].expires
      {
        return set[index].value
      }
      index &+= 1
    }
    return nil
  }

  func insert(_ tag: SipTag, endpoint: UInt64, generation: UInt64, expires: Int64, value: UInt64, at now: Int64) {
    guard now < expires else { return }
    let set = start(tag, endpoint)
    var chosen = 0
    var index = 0
    while index < CredentialTable.placesInSet {
      if set[index].tag == tag, set[index].endpoint == endpoint {
        chosen = index
        break
      }
      if set[index].expires < set[chosen].expires { chosen = index }
      index &+= 1
    }
    set[chosen] = Place(tag: tag, endpoint: endpoint, generation: generation, expires: expires, value: value)
  }

  /// One credential at many endpoints must not crowd one set, so the endpoint chooses the set too.
  private func start(_ tag: SipTag, _ endpoint: UInt64) -> UnsafeMutablePointer<Place> {
    let set = Int(truncatingIfNeeded: tag.low ^ (endpoint &* 0x9e37_79b9_7f4a_7c15) >> 32) & setMask
    return places + set &* CredentialTable.placesInSet
  }
}
