internal import Glibc
internal import Stores
internal import Synchronization

/// The right of one process to a file. The system takes it back when the process ends, however it ends.
///
/// A file of its own beside the one that it guards: SQLite's locks on that one come and go with its transactions.
internal final class FileLock: Sendable {
  private let descriptor: Mutex<Int32?>

  /// - Parameter subject: The path of what it guards, for messages.
  /// - Throws: `.busy` with the id of the process that has it; `.unavailable` if there can be no such file.
  init(path: String, subject: String) throws(CatalogStoreError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Self.unavailable("open", path, errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      defer { close(descriptor) }
      guard code == EWOULDBLOCK else { throw Self.unavailable("lock", path, code) }
      let owner = Self.writtenProcess(descriptor).map { "process \($0)" } ?? "another process"
      throw .init(.busy, "'\(subject)' is in use by \(owner); stop that server first, or choose another data directory")
    }
    let line = Array("\(getpid())\n".utf8)
    guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, line, line.count, 0) == line.count else {
      let code = errno
      close(descriptor)
      throw Self.unavailable("write", path, code)
    }
    self.descriptor = Mutex(descriptor)
  }

  deinit { release() }

  /// The file stays: another process may be about to lock it.
  func release() {
    descriptor.withLock { descriptor in
      guard let held = descriptor else { return }
      flock(held, LOCK_UN)  // closing is not enough while a process that is about to start has a copy
      close(held)
      descriptor = nil
    }
  }

  /// Whom the holder says it is. Nil in the moment between its locking and its writing.
  private static func writtenProcess(_ descriptor: Int32) -> Int32? {
    var bytes = [UInt8](repeating: 0, count: 16)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    return Int32(String(decoding: bytes[..<count].prefix { $0 != 0x0A }, as: UTF8.self))
  }

  static func unavailable(_ verb: String, _ path: String, _ code: Int32) -> CatalogStoreError {
    .init(code == ENOSPC ? .full : .unavailable, "can't \(verb) '\(path)': \(String(cString: strerror(code)))")
  }
}
