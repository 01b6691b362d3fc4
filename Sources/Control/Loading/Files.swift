internal import Glibc
internal import Inference

/// What changes when a file is replaced or written to.
package struct FileStamp: Hashable, Sendable {
  package var inode: UInt64
  package var byteCount: Int64
  package var modifiedSeconds: Int64
  package var modifiedNanoseconds: Int64

  package init(inode: UInt64, byteCount: Int64, modifiedSeconds: Int64, modifiedNanoseconds: Int64) {
    self.inode = inode
    self.byteCount = byteCount
    self.modifiedSeconds = modifiedSeconds
    self.modifiedNanoseconds = modifiedNanoseconds
  }
}

/// The few questions that the model repository asks of the file system, each answered or explained.
internal enum Files {
  enum Kind: Hashable { case directory, file, other }

  /// What is at a path, links followed; nil if nothing is.
  ///
  /// - Throws: `.invalidArgument` if it can't be told, such as for a link that leads to itself.
  static func kind(_ path: String) throws(InferenceError) -> Kind? {
    guard let status = try status(path) else { return nil }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: return .directory
    case S_IFREG: return .file
    default: return .other
    }
  }

  static func stamp(_ path: String) throws(InferenceError) -> FileStamp? {
    guard let status = try status(path) else { return nil }
    return FileStamp(
      inode: UInt64(status.st_ino), byteCount: Int64(status.st_size), modifiedSeconds: Int64(status.st_mtim.tv_sec),
      modifiedNanoseconds: Int64(status.st_mtim.tv_nsec))
  }

  private static func status(_ path: String) throws(InferenceError) -> stat? {
    var status = stat()
    if stat(path, &status) == 0 { return status }
    let code = errno
    if code == ENOENT || code == ENOTDIR { return nil }
    throw refusal("look at", path, code)
  }

  /// The names in a directory, sorted, without those that begin with a dot.
  static func names(in directory: String) throws(InferenceError) -> [String] {
    guard let stream = opendir(directory) else { throw refusal("read directory", directory, errno) }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 { throw refusal("read directory", directory, errno) }
        return names.sorted()
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
  }

  /// A whole file.
  ///
  /// - Throws: `.invalidArgument` if it can't be read or is longer than `limitBytes`.
  static func contents(_ path: String, limitBytes: Int) throws(InferenceError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw refusal("open", path, errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw refusal("read", path, errno) }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
      guard bytes.count <= limitBytes else {
        throw .invalidArgument("file '\(path)' is longer than the \(limitBytes) bytes that are read of such a file")
      }
    }
  }

  static func write(_ bytes: [UInt8], to path: String) throws(InferenceError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw refusal("create", path, errno) }
    defer { close(descriptor) }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + written, bytes.count - written) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw refusal("write", path, errno) }
      written += count
    }
  }

  static func makeDirectory(_ path: String) throws(InferenceError) {
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw refusal("create directory", path, errno) }
  }

  /// A new directory under the one for temporary files (`TMPDIR`, else `/tmp`), which only this user can enter.
  static func makeTemporaryDirectory() throws(InferenceError) -> String {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/apus-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw refusal("create a directory in", parent, errno) }
    return template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }

  /// Takes a file or an empty directory away, if it is there.
  static func remove(_ path: String) { _ = Glibc.remove(path) }

  private static func refusal(_ verb: String, _ path: String, _ code: Int32) -> InferenceError {
    .invalidArgument("can't \(verb) '\(path)': \(String(cString: strerror(code)))")
  }
}
