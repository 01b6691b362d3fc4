internal import Glibc
internal import Threads

/// The bytes of one blob that have arrived so far, in a file, with their running digest.
///
/// Memory does not grow with the blob. After a crash the file is read once more, for the digest.
final class UploadPart: Sendable {
  let upload: UploadID
  let digest: Digest
  let size: Int64
  let path: String
  private let open: Locked<OpenFile?>

  private struct OpenFile {
    var descriptor: Int32
    var size: Int64
    var running: RunningDigest
  }

  init(upload: UploadID, digest: Digest, size: Int64, path: String) {
    self.upload = upload
    self.digest = digest
    self.size = size
    self.path = path
    open = Locked(nil)
  }

  deinit { close() }

  /// Lets the file go. The next append opens it again.
  func close() {
    open.withLock { open in
      if let file = open { Glibc.close(file.descriptor) }
      open = nil
    }
  }

  /// Where the next bytes begin.
  static func offset(_ path: String) throws(ArtifactError) -> Int64 {
    try Files.status(path).map { Int64($0.st_size) } ?? 0
  }

  /// Adds bytes at the end. One caller at a time; a second waits.
  ///
  /// No bytes at `size` finish what a kill kept from being finished.
  ///
  /// - Returns: Where the next bytes begin. At `size` the blob is whole, checked and on the disk.
  /// - Throws: `.wrongOffset`, `.invalidArgument` (too long): nothing was added. `.full`: part of it was.
  ///   `.wrongDigest`: all of it is gone.
  func append(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(ArtifactError) -> Int64 {
    try open.withLock { (open) throws(ArtifactError) in
      if open == nil { open = try opened() }
      var file = open!
      defer { open = file }
      guard offset == file.size else {
        throw .init(
          .wrongOffset, "blob \(digest) has \(file.size) of \(size) bytes; the next ones begin there, not at \(offset)",
          offset: file.size)
      }
      guard bytes.count <= size - offset else {
        throw .init(
          .invalidArgument, "blob \(digest) has \(size) bytes; \(bytes.count) more at \(offset) are too many",
          offset: file.size)
      }
      var written = 0
      do throws(ArtifactError) {
        try Files.write(bytes, to: file.descriptor, path, written: &written)
        took(written, of: bytes, &file)
      } catch {
        took(written, of: bytes, &file)
        throw ArtifactError(error.code, "blob \(digest) stops at \(file.size) of \(size) bytes: \(error.message)", offset: file.size)
      }
      if file.size == size { try finish(&file) }
      return file.size
    }
  }

  private func took(_ count: Int, of bytes: UnsafeRawBufferPointer, _ file: inout OpenFile) {
    file.running.update(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    file.size += Int64(count)
  }

  private func finish(_ file: inout OpenFile) throws(ArtifactError) {
    let found = file.running.finish()
    guard found == digest else {
      try restart(&file)
      throw .init(
        .wrongDigest, "the \(size) bytes sent as blob \(digest) have the digest \(found); send them again from 0", offset: 0)
    }
    guard fsync(file.descriptor) == 0 else {
      // What the kernel could not write, it may have forgotten: a second fsync would say that all is well.
      let code = errno
      try restart(&file)
      let failure = Files.failure("write", path, code)
      throw .init(failure.code, failure.message, offset: 0)
    }
  }

  private func restart(_ file: inout OpenFile) throws(ArtifactError) {
    guard ftruncate(file.descriptor, 0) == 0 else { throw Files.failure("empty", path, errno) }
    file.size = 0
    file.running = RunningDigest()
  }

  /// The file as an earlier append, or an earlier process, left it.
  private func opened() throws(ArtifactError) -> OpenFile {
    var file = OpenFile(
      descriptor: try Files.open(path, O_RDWR | O_CREAT | O_APPEND), size: 0, running: RunningDigest())
    do throws(ArtifactError) {
      try Files.readThrough(file.descriptor, path) { bytes in
        file.running.update(bytes)
        file.size += Int64(bytes.count)
      }
      if file.size > size { try restart(&file) }  // which no append leaves behind
    } catch {
      Glibc.close(file.descriptor)
      throw error
    }
    return file
  }
}
