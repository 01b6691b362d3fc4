internal import Inference

/// One HTTP/2 stream: its received headers, and what waits to be sent on it.
///
/// Lives behind a pointer that nghttp2 keeps as the stream's user data, and is recycled by `StreamStore`. Belongs to its
/// session's thread. Between the `closed` event and `HTTP2Session.recycle` it is still valid, but nothing can be sent.
package struct HTTP2Stream {
  package fileprivate(set) var id: Int32 = 0
  /// Request headers on a server, response headers on a client.
  package internal(set) var headers = HeaderBlock()
  /// Trailers, on a client.
  package internal(set) var trailers = HeaderBlock()
  /// Whether the header list went over the limit: its fields are incomplete.
  package internal(set) var headersTooLarge = false
  /// Whoever handles the stream keeps its own state here.
  package var context: UnsafeMutableRawPointer?

  /// Whether our headers have left: before, a client's request is none to the peer.
  package internal(set) var wasSent = false
  var headerListBytes = 0
  var hasHeaders = false
  /// Nothing more comes or goes.
  package internal(set) var isClosed = false
  var wasResetHere = false
  var resetsAfterEnd = false

  // What waits to be sent: a ring of segments.
  var segments: UnsafeMutablePointer<Segment>?
  var segmentCapacity = 0
  var firstSegment = 0
  package internal(set) var segmentCount = 0
  var firstSegmentOffset = 0
  /// Bytes that wait to be sent.
  package internal(set) var pendingBytes = 0
  /// Asks for a `drained` event, once.
  package var reportsDrain = false
  var isDeferred = false
  var ending = Ending.open

  /// How the stream ends once everything that waits is sent.
  enum Ending {
    case open
    /// END_STREAM on the last DATA frame.
    case plain
    case prepared(PreparedHeaders)
    /// The fields of `outgoingTrailers`.
    case trailers
  }
  var outgoingTrailers = HeaderBlock()

  // The session's list of live streams.
  var previous: StreamPointer?
  var next: StreamPointer?

  mutating func begin(id: Int32) {
    self.id = id
    headersTooLarge = false
    context = nil
    wasSent = false
    headerListBytes = 0
    hasHeaders = false
    isClosed = false
    wasResetHere = false
    resetsAfterEnd = false
    isDeferred = false
    reportsDrain = false
    ending = .open
  }

  mutating func append(_ segment: Segment) {
    if segmentCount == segmentCapacity { growSegments() }
    guard let segments else { return }
    (segments + (firstSegment + segmentCount) % segmentCapacity).initialize(to: segment)
    segmentCount += 1
    pendingBytes += segment.bytes.count
  }

  /// Drops what waits, and forgets the headers.
  mutating func clear() {
    while segmentCount > 0, let segments {
      segments[firstSegment].owner?.release()
      firstSegment = (firstSegment + 1) % segmentCapacity
      segmentCount -= 1
    }
    firstSegment = 0
    firstSegmentOffset = 0
    pendingBytes = 0
    headers.reset()
    trailers.reset()
    outgoingTrailers.reset()
  }

  mutating func deallocate() {
    clear()
    segments?.deallocate()
    headers.deallocate()
    trailers.deallocate()
    outgoingTrailers.deallocate()
  }

  /// Moves the next `count` bytes that wait into `output`.
  mutating func moveBytes(_ count: Int, to output: OutputBuffer) {
    var left = count
    pendingBytes -= count
    while left > 0, let segments {
      let segment = segments[firstSegment]
      let available = segment.bytes.count - firstSegmentOffset
      let taken = min(left, available)
      let part = UnsafeRawBufferPointer(rebasing: segment.bytes[firstSegmentOffset..<(firstSegmentOffset + taken)])
      let isLast = taken == available
      if taken <= OutputBuffer.copyLimit {
        output.append(copying: part)
        if isLast { segment.owner?.release() }
      } else {
        // The segment's own count moves to its last piece; the others get one each.
        output.append(referencing: part, owner: isLast ? segment.owner : segment.owner?.retain())
      }
      left -= taken
      if isLast {
        firstSegment = (firstSegment + 1) % segmentCapacity
        segmentCount -= 1
        firstSegmentOffset = 0
      } else {
        firstSegmentOffset += taken
      }
    }
  }

  private mutating func growSegments() {
    let capacity = max(4, 2 * segmentCapacity)
    let larger = UnsafeMutablePointer<Segment>.allocate(capacity: capacity)
    for index in 0..<segmentCount {
      if let segments { (larger + index).initialize(to: segments[(firstSegment + index) % segmentCapacity]) }
    }
    segments?.deallocate()
    segments = larger
    segmentCapacity = capacity
    firstSegment = 0
  }
}

package typealias StreamPointer = UnsafeMutablePointer<HTTP2Stream>

/// Recycled streams of one event loop, and the memory of its sessions and of their events: a session at rest has none.
package final class StreamStore {
  let memory = SessionMemory()
  private var free: StreamPointer?
  private var freeCount = 0
  private static let keep = 4096
  /// One is enough: sessions have events one after the other.
  private var eventMemory: EventMemory?

  struct EventMemory {
    var base: UnsafeMutablePointer<HTTP2Event>
    var capacity: Int

    /// The same events in twice the room.
    func doubled() -> EventMemory {
      let larger = UnsafeMutablePointer<HTTP2Event>.allocate(capacity: 2 * capacity)
      larger.moveInitialize(from: base, count: capacity)
      base.deallocate()
      return EventMemory(base: larger, capacity: 2 * capacity)
    }
  }

  package init() {}

  func takeEventMemory() -> EventMemory {
    if let memory = eventMemory {
      eventMemory = nil
      return memory
    }
    return EventMemory(base: .allocate(capacity: 64), capacity: 64)
  }

  func give(_ memory: EventMemory) {
    if eventMemory == nil { eventMemory = memory } else { memory.base.deallocate() }
  }

  deinit {
    eventMemory?.base.deallocate()
    while let stream = free {
      free = stream.pointee.next
      stream.pointee.deallocate()
      stream.deallocate()
    }
  }

  func take(id: Int32) -> StreamPointer {
    let stream: StreamPointer
    if let recycled = free {
      free = recycled.pointee.next
      freeCount -= 1
      stream = recycled
    } else {
      stream = .allocate(capacity: 1)
      stream.initialize(to: HTTP2Stream())
    }
    stream.pointee.begin(id: id)
    return stream
  }

  func give(_ stream: StreamPointer) {
    stream.pointee.clear()
    guard freeCount < Self.keep else {
      stream.pointee.deallocate()
      stream.deallocate()
      return
    }
    stream.pointee.next = free
    free = stream
    freeCount += 1
  }
}
