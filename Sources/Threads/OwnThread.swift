internal import CLinux
internal import Glibc
package import Inference

/// A named thread outside Swift's cooperative pool, of which there are only as many threads as cores: it may block.
package struct OwnThread: @unchecked Sendable {  // a pthread_t is a number that any thread may join with
  private let thread: pthread_t

  /// Starts `body` on a new thread; then `join` it or `detach` it.
  ///
  /// - Parameter name: As `top -H` and profilers show it; cut to 15 bytes.
  /// - Throws: `.resourceExhausted` if the system gives no thread.
  package init(name: String, _ body: @escaping @Sendable () -> Void) throws(InferenceError) {
    let work = Unmanaged.passRetained(Work(name: name, body: body))  // released by `runWork`
    var thread = pthread_t()
    let status = pthread_create(&thread, nil, runWork, work.toOpaque())
    guard status == 0 else {
      work.release()
      throw .resourceExhausted("no thread for '\(name)': \(String(cString: strerror(status)))")
    }
    self.thread = thread
  }

  /// Waits until the body has returned.
  package func join() { pthread_join(thread, nil) }

  /// Whether the caller runs on it: then it can't be joined.
  package var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }

  /// Lets the thread go when it ends.
  package func detach() { pthread_detach(thread) }
}

private final class Work: Sendable {
  let name: String
  let body: @Sendable () -> Void

  init(name: String, body: @escaping @Sendable () -> Void) {
    self.name = name
    self.body = body
  }
}

/// A free function: a closure written in a main-actor context would trap on another thread.
private func runWork(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument else { return nil }
  let work = Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()
  linux_name_thread(work.name)
  work.body()
  return nil
}
