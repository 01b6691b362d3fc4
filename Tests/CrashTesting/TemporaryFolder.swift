internal import Glibc

/// A folder that goes away with the test.
package final class TemporaryFolder: Sendable {
  package let path: String

  package init() throws {
    // In memory where there is such a place: the tests wait for the disk thousands of times.
    let parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    var template = Array("\(parent)/apus-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw TestFailure("mkdtemp: errno \(errno)") }
    path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  deinit { Self.remove(path) }

  private static func remove(_ path: String) {
    var arguments = (["/bin/rm", "-rf", "--", path] as [String]).map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var process: pid_t = 0
    guard posix_spawn(&process, "/bin/rm", nil, nil, &arguments, environ) == 0 else { return }
    while waitpid(process, nil, 0) < 0 && errno == EINTR {}
  }
}

package struct TestFailure: Error, CustomStringConvertible {
  package var description: String
  package init(_ description: String) { self.description = description }
}
