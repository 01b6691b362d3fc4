internal import Glibc

/// SIGTERM and SIGINT, waited for by one thread of our own instead of interrupting whichever runs.
enum ShutdownSignals {
  /// Blocks them for this thread and those that it starts from now on, and ignores SIGPIPE: a write to a connection
  /// that is gone fails, and that is all.
  static func block() {
    var set = signals
    pthread_sigmask(SIG_BLOCK, &set, nil)
    signal(SIGPIPE, SIG_IGN)
  }

  /// Waits for one of them, and returns it.
  static func wait() -> Int32 {
    var set = signals
    var number: Int32 = 0
    while sigwait(&set, &number) != 0 {}
    return number
  }

  private static var signals: sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGTERM)
    sigaddset(&set, SIGINT)
    return set
  }
}
