internal import Glibc

/// The system calls of the store, each done or explained.
internal enum Files {
  static func failure(_ verb: String, _ path: String, _ code: Int32) -> ArtifactError {
    let isFull = code == ENOSPC || code == EDQUOT
    let reason = String(cString: strerror(code))
    return .init(
      isFull ? .full : .unavailable,
      "can't \(verb) \(TreePath.quoted(path.utf8)): \(reason)\(isFull ? "; make room on the disk and try again" : "")")
  }

  static func open(_ path: String, _ flags: Int32) throws(ArtifactError) -> Int32 {
    let descriptor = Glibc.open(path, flags | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure(flags & O_CREAT == 0 ? "open" : "create", path, errno) }
    return descriptor
  }

  static func status(_ descriptor: Int32, _ path: String) throws(ArtifactError) -> stat {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure("look at", path, errno) }
    return status
  }

  /// What is at a path, a link not followed; nil if nothing is.
  static func status(_ path: String) throws(ArtifactError) -> stat? {
    var status = stat()
    if lstat(path, &status) == 0 { return status }
    guard errno == ENOENT || errno == ENOTDIR else { throw failure("look at", path, errno) }
    return nil
  }

  static func isDirectory(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFDIR }
  static func isRegular(_ status: stat) -> Bool { status.st_mode & S_IFMT == S_IFREG }

  /// Fills as much of the buffer as there is to read.
  static func read(
    _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, _ path: String
  ) throws(ArtifactError) -> Int {
    while true {
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      guard errno == EINTR else { throw failure("read", path, errno) }
    }
  }

  /// - Parameter written: Bytes that are in the file, also when it throws.
  static func write(
    _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String, written: inout Int
  ) throws(ArtifactError) {
    while written < bytes.count {
      let count = Glibc.write(descriptor, bytes.baseAddress! + written, bytes.count - written)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure("write", path, count == 0 ? ENOSPC : errno) }
      written += count
    }
  }

  /// Makes a file with these bytes, on the disk when it returns.
  static func create(_ path: String, _ bytes: [UInt8]) throws(ArtifactError) {
    let descriptor = try open(path, O_WRONLY | O_CREAT | O_EXCL)
    defer { close(descriptor) }
    var written = 0
    let failure = bytes.withUnsafeBytes { bytes -> ArtifactError? in
      do throws(ArtifactError) {
        try write(bytes, to: descriptor, path, written: &written)
        return nil
      } catch {
        return error
      }
    }
    if let failure {
      unlink(path)
      throw failure
    }
    try sync(descriptor, path)
  }

  /// A whole file.
  ///
  /// - Throws: `.corrupt` if it is longer than the limit.
  static func contents(_ path: String, limitBytes: Int) throws(ArtifactError) -> [UInt8] {
    let descriptor = try open(path, O_RDONLY)
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    try readThrough(descriptor, path) { (chunk) throws(ArtifactError) in
      bytes += chunk
      guard bytes.count <= limitBytes else { throw .init(.corrupt, "'\(path)' is longer than \(limitBytes) bytes") }
    }
    return bytes
  }

  static func sync(_ descriptor: Int32, _ path: String) throws(ArtifactError) {
    guard fsync(descriptor) == 0 else { throw failure("write", path, errno) }
  }

  /// Has the names in a directory survive a loss of power.
  static func syncDirectory(_ path: String) throws(ArtifactError) {
    let descriptor = try open(path, O_RDONLY | O_DIRECTORY)
    defer { close(descriptor) }
    try sync(descriptor, path)
  }

  /// Does nothing if it is there.
  static func makeDirectory(_ path: String, mode: mode_t = 0o700) throws(ArtifactError) {
    guard mkdir(path, mode) == 0 || errno == EEXIST else { throw failure("create directory", path, errno) }
  }

  static func move(_ path: String, to other: String) throws(ArtifactError) {
    guard rename(path, other) == 0 else { throw failure("move into place", other, errno) }
  }

  /// Takes a file away, if it is there.
  static func removeFile(_ path: String) throws(ArtifactError) {
    guard unlink(path) == 0 || errno == ENOENT else { throw failure("remove", path, errno) }
  }

  /// Takes a folder away with all that is in it, if it is there; follows no link.
  static func removeTree(_ path: String) throws(ArtifactError) {
    guard let status = try status(path) else { return }
    guard isDirectory(status) else { return try removeFile(path) }
    for name in try names(in: path) { try removeTree(path + "/" + String(decoding: name, as: UTF8.self)) }
    guard rmdir(path) == 0 || errno == ENOENT else { throw failure("remove", path, errno) }
  }

  /// The names in a directory, as bytes, sorted.
  static func names(in directory: String) throws(ArtifactError) -> [[UInt8]] {
    guard let stream = opendir(directory) else { throw failure("read directory", directory, errno) }
    defer { closedir(stream) }
    var names: [[UInt8]] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 { throw failure("read directory", directory, errno) }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
      }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if name != Array(".".utf8) && name != Array("..".utf8) { names.append(name) }
    }
  }

  /// Has a file show a time as that of its last change: milliseconds since 1970.
  static func setTime(_ path: String, milliseconds: Int64) throws(ArtifactError) {
    let descriptor = try open(path, O_RDONLY)
    defer { close(descriptor) }
    let time = timespec(tv_sec: Int(milliseconds / 1000), tv_nsec: Int(milliseconds % 1000) * 1_000_000)
    guard futimens(descriptor, [time, time]) == 0 else { throw failure("set the time of", path, errno) }
  }

  static func time(_ status: stat) -> Int64 {
    Int64(status.st_mtim.tv_sec) * 1000 + Int64(status.st_mtim.tv_nsec) / 1_000_000
  }
}

extension Files {
  /// Most bytes that are held of a file at a time.
  static let chunkBytes = 1 << 20

  /// Gives all bytes from where the file stands to its end, piece by piece.
  static func readThrough(
    _ descriptor: Int32, _ path: String, _ body: (UnsafeRawBufferPointer) throws(ArtifactError) -> Void
  ) throws(ArtifactError) {
    let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkBytes, alignment: 4096)
    defer { chunk.deallocate() }
    while true {
      let count = try read(descriptor, into: chunk, path)
      if count == 0 { return }
      try body(UnsafeRawBufferPointer(rebasing: chunk[..<count]))
    }
  }
}
