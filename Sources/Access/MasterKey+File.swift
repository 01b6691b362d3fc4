internal import Glibc
package import Inference

extension MasterKey {
  /// Makes a key and writes it to a new file that only its owner can read.
  ///
  /// On return the file is on the disk: a crash right after doesn't lose the key of what is sealed next.
  ///
  /// - Throws: `.alreadyExists` if something is there, which is left as it is; `.failedPrecondition` if it can't be written.
  package static func create(
    at path: String, using generator: inout some RandomNumberGenerator
  ) throws(InferenceError) -> MasterKey {
    let key = MasterKey(using: &generator)
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard file >= 0 else {
      let reason = errno
      if reason == EEXIST { throw .alreadyExists("master key: '\(path)' exists; it is not replaced") }
      throw .failedPrecondition("master key: cannot create '\(path)': \(String(cString: strerror(reason)))")
    }
    defer { close(file) }
    // fchmod, because a umask may have taken bits from the mode that the owner needs.
    guard fchmod(file, 0o600) == 0, write(file, key.bytes, key.bytes.count) == key.bytes.count, fsync(file) == 0 else {
      let reason = errno
      unlink(path)
      throw .failedPrecondition("master key: cannot write '\(path)': \(String(cString: strerror(reason)))")
    }
    syncFolder(of: path)
    return key
  }

  /// Reads a key that `create` wrote.
  ///
  /// - Throws: `.failedPrecondition` if it isn't there, isn't a plain file of 32 bytes, belongs to somebody else, or can be
  ///   read or written by anybody but its owner; the message says what to do.
  package static func read(at path: String) throws(InferenceError) -> MasterKey {
    // Not blocking, so that a named pipe in its place is reported and doesn't hold the server up.
    let file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else {
      throw .failedPrecondition("master key: cannot open '\(path)': \(String(cString: strerror(errno)))")
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else {
      throw .failedPrecondition("master key: cannot look at '\(path)': \(String(cString: strerror(errno)))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .failedPrecondition("master key: '\(path)' is not a plain file")
    }
    guard status.st_uid == geteuid() || status.st_uid == 0 else {
      throw .failedPrecondition(
        "master key: '\(path)' belongs to user \(status.st_uid); expected \(geteuid()), the server's, or root")
    }
    guard status.st_mode & 0o077 == 0 else {
      let mode = String(status.st_mode & 0o777, radix: 8)
      throw .failedPrecondition(
        "master key: '\(path)' is open to others: its mode is 0\(mode), expected 0600; run: chmod 600 '\(path)'")
    }
    guard status.st_size == byteCount else {
      throw .failedPrecondition("master key: '\(path)' has \(status.st_size) bytes; expected \(byteCount)")
    }
    var bytes = [UInt8](repeating: 0, count: byteCount)
    guard Glibc.read(file, &bytes, byteCount) == byteCount else {
      throw .failedPrecondition("master key: cannot read '\(path)': \(String(cString: strerror(errno)))")
    }
    return try MasterKey(bytes)
  }

  /// A new file's name is in its folder, which has to reach the disk too.
  private static func syncFolder(of path: String) {
    let parent = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let folder = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }
}
