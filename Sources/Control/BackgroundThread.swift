internal import Glibc

/// A thread of its own for work that blocks: loading a model, draining a pool. Never an event loop, and never a thread
/// of Swift concurrency, of which there are only as many as cores.
internal enum BackgroundThread {
  /// Runs `body` on a new thread that ends with it.
  static func start(_ body: @escaping @Sendable () -> Void) {
    let work = Unmanaged.passRetained(Work(body: body))  // Released by `runWork`.
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let code = pthread_create(&thread, &attributes, runWork, work.toOpaque())
    pthread_attr_destroy(&attributes)
    // EAGAIN: the process has as many threads as it may have. There is no way to serve on from here.
    precondition(code == 0, "can't start a thread: \(String(cString: strerror(code)))")
  }
}

private final class Work: Sendable {
  let body: @Sendable () -> Void
  init(body: @escaping @Sendable () -> Void) { self.body = body }
}

private func runWork(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  let work = Unmanaged<Work>.fromOpaque(context!).takeRetainedValue()
  work.body()
  return nil
}
