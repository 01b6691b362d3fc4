internal import Glibc

/// What processes and threads have used of the machine, as the kernel counts it.
package enum ProcessUsage {
  /// CPU time of this process so far, user and system, in nanoseconds.
  package static func ownNanoseconds() -> UInt64 { clock(CLOCK_PROCESS_CPUTIME_ID) ?? 0 }

  /// CPU time of the calling thread so far.
  package static func threadNanoseconds() -> UInt64 { clock(CLOCK_THREAD_CPUTIME_ID) ?? 0 }

  private static func clock(_ clock: clockid_t) -> UInt64? {
    var time = timespec()
    guard clock_gettime(clock, &time) == 0 else { return nil }
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }
}

/// Another process on this machine, watched from outside.
package struct WatchedProcess: Sendable {
  package let pid: Int32
  private let clock: clockid_t

  /// - Throws: `LoadError` if there is no such process.
  package init(pid: Int32) throws(LoadError) {
    self.pid = pid
    var clock = clockid_t()
    guard pid > 0, clock_getcpuclockid(pid, &clock) == 0 else { throw LoadError("there is no process \(pid)") }
    self.clock = clock
  }

  /// CPU time of all its threads so far, in nanoseconds. Nil when it has ended.
  package func cpuNanoseconds() -> UInt64? {
    var time = timespec()
    guard clock_gettime(clock, &time) == 0 else { return nil }
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
  }

  /// Its memory that is in RAM, in bytes. Nil when it has ended. Source: proc(5), /proc/pid/statm.
  package func residentBytes() -> UInt64? {
    let file = open("/proc/\(pid)/statm", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var text = [UInt8](repeating: 0, count: 256)
    let count = read(file, &text, text.count)
    guard count > 0 else { return nil }
    let fields = String(decoding: text[..<count], as: UTF8.self).split(separator: " ")
    guard fields.count > 1, let pages = UInt64(fields[1]) else { return nil }
    return pages &* UInt64(sysconf(Int32(_SC_PAGESIZE)))
  }
}
