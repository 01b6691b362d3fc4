/// Whose trace a call belongs to, as W3C's Trace Context carries it: `traceparent` and `tracestate`.
///
/// Set for all calls of a task and its children, or given in `CallOptions`:
///
/// ```swift
/// try await TraceContext.$current.withValue(context) { try await client.infer(request) }
/// ```
/// It is passed on as it is; making a span for each call is an interceptor's work.
public struct TraceContext: Sendable, Hashable {
  /// What calls of this task carry, unless their options say otherwise.
  @TaskLocal public static var current: TraceContext?

  /// `00-<trace id>-<parent id>-<flags>`.
  public var traceParent: String
  /// Of the vendors on the way; empty: none.
  public var traceState: String

  /// Nil if it is not of the form.
  ///
  /// Source: W3C, "Trace Context", 3.2 "Traceparent Header". Versions above 00 may be longer.
  public init?(traceParent: String, traceState: String = "") {
    let parts = traceParent.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count >= 4, parts[0].count == 2, parts[1].count == 32, parts[2].count == 16, parts[3].count == 2,
      parts[0] != "ff", parts[0] != "00" || parts.count == 4,
      parts.prefix(4).allSatisfy({ $0.utf8.allSatisfy(isLowerHex) }),
      parts[1].contains(where: { $0 != "0" }), parts[2].contains(where: { $0 != "0" })
    else { return nil }
    self.traceParent = traceParent
    self.traceState = traceState
  }
}

private func isLowerHex(_ byte: UInt8) -> Bool {
  (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
}
