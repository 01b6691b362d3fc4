internal import Glibc

/// A thread of our own, outside Swift's cooperative pool: it may block.
package struct OwnThread {
  private let thread: pthread_t

  /// Starts `body` on a new thread.
  package init(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
    let box = Unmanaged.passRetained(Body(body))  // released by `threadMain`
    var thread = pthread_t()
    let result = pthread_create(&thread, nil, threadMain, box.toOpaque())
    guard result == 0 else {
      box.release()
      throw SystemError(call: "pthread_create", number: result)
    }
    self.thread = thread
  }

  /// Waits until the body has returned. Call it once.
  package func join() { pthread_join(thread, nil) }

  fileprivate final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }
}

/// A free function: a closure written in a main-actor context would trap on another thread.
private func threadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument else { return nil }
  Unmanaged<OwnThread.Body>.fromOpaque(argument).takeRetainedValue().run()
  return nil
}
