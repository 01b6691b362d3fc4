package import Arrivals

/// Decides when a thread starts calls. Holds no clock: nanoseconds of one clock are passed in.
///
/// In an open loop a call's latency counts from the instant at which it was due, whatever kept it from being sent then: a
/// client that waits for a slow server before it sends the next request would leave out just the requests that suffer
/// ("coordinated omission", Tene). In a closed loop there is no such instant: a call is due when it is started.
package struct Pace: Sendable {
  /// What to do now.
  package enum Decision: Hashable, Sendable {
    /// Start a call that was due at `due`; `position` is its place in the trace, if there is one.
    case start(due: UInt64, position: Int)
    /// Nothing before this instant.
    case wait(until: UInt64)
    /// Nothing before an answer comes.
    case waitForAnswer
    /// Nothing is due any more.
    case finished
  }

  private enum Load: Sendable {
    case idle
    case closed(Int)
    case open(ArrivalSchedule)
  }

  private var load = Load.idle
  private var begin: UInt64 = 0
  private var end = UInt64.max
  /// Calls that were started and are not finished.
  package private(set) var inFlight = 0

  package init() {}

  /// Keeps so many calls in flight.
  package mutating func keepInFlight(_ count: Int) { load = .closed(count) }

  /// Starts calls as `schedule` says, counted from `begin`.
  package mutating func follow(_ schedule: ArrivalSchedule, from begin: UInt64) {
    self.begin = begin
    end = .max
    load = .open(schedule)
  }

  /// Starts what is due before `end`, and nothing more: requests that are late then are late all the same, and leaving them
  /// out would leave out the slowest.
  package mutating func finish(at end: UInt64) {
    self.end = end
    if case .closed = load { load = .idle }
  }

  /// Starts nothing more.
  package mutating func stop() { load = .idle }

  package func decide(at now: UInt64) -> Decision {
    switch load {
    case .idle: return .finished
    case .closed(let count): return inFlight < count ? .start(due: now, position: 0) : .waitForAnswer
    case .open(let schedule):
      guard schedule.due < .max else { return .finished }
      let due = begin &+ schedule.due
      if due >= end { return .finished }
      return due <= now ? .start(due: due, position: schedule.position) : .wait(until: due)
    }
  }

  /// The call of the last decision was started.
  package mutating func didStart() {
    inFlight += 1
    pass()
  }

  /// The call of the last decision is given up without being sent.
  package mutating func pass() {
    guard case .open(var schedule) = load else { return }
    load = .idle  // so that the schedule is not copied
    schedule.advance()
    load = .open(schedule)
  }

  package mutating func didFinish() { inFlight -= 1 }
}
