internal import Glibc
internal import Inference

/// A part of a POSIX shared memory object, open until the last one who uses it is done.
///
/// It is read and written by system calls and not mapped. The client can cut its object short at any time, or have made it
/// larger than the memory that is left: touching a mapping would then end the process by SIGBUS, and a call says what is
/// wrong. Tensors are copied in any case, and a call copies as a program would.
final class SharedMemoryRegion: Sendable {
  let name: String
  /// The object's name as the client gave it.
  let key: String
  /// Where the region begins in the object.
  let offset: Int
  let byteCount: Int
  private let descriptor: Int32

  private init(name: String, key: String, offset: Int, byteCount: Int, descriptor: Int32) {
    self.name = name
    self.key = key
    self.offset = offset
    self.byteCount = byteCount
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Opens the object of a region.
  ///
  /// - Throws: `.invalidArgument` for a name that no object has, and for a region that reaches past the object's end;
  ///   `.notFound`, `.permissionDenied` or `.resourceExhausted` if the object can't be opened.
  static func open(
    _ name: String, key: String, offset: UInt64, byteSize: UInt64
  ) throws(InferenceError) -> SharedMemoryRegion {
    let object = try objectName(key, name)
    guard byteSize > 0 else {
      throw .invalidArgument("\(region(name)): byte_size is 0; expected 1 or more")
    }
    let (end, overflow) = offset.addingReportingOverflow(byteSize)
    guard !overflow, end <= UInt64(Int.max) else {
      throw .invalidArgument("\(region(name)): offset \(offset) and byte_size \(byteSize) are more together than 2^63 - 1")
    }
    // The C library adds O_NOFOLLOW and O_CLOEXEC.
    let descriptor = shm_open("/" + object, O_RDWR, 0)
    guard descriptor >= 0 else { throw failure(toOpen: key, name, errno) }
    let opened = SharedMemoryRegion(
      name: name, key: key, offset: Int(offset), byteCount: Int(byteSize), descriptor: descriptor)
    try opened.checkObject()
    return opened
  }

  // MARK: - Contents

  /// Fills `buffer` from `start` of the region on, which is within its bounds.
  ///
  /// - Throws: `.invalidArgument` if the object is shorter than it was.
  func read(from start: Int, into buffer: UnsafeMutableRawBufferPointer) throws(InferenceError) {
    guard let base = buffer.baseAddress else { return }
    var done = 0
    while done < buffer.count {
      let count = pread(descriptor, base + done, buffer.count - done, offset + start + done)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw .internal("\(SharedMemoryRegion.region(name)): can't be read: \(reason(errno))") }
      guard count > 0 else { throw cutShort(try objectSize()) }
      done += count
    }
  }

  /// Writes `bytes` to `start` of the region, which is within its bounds.
  ///
  /// - Throws: `.invalidArgument` if the object is shorter than it was; `.resourceExhausted` if the machine has no memory
  ///   for it.
  func write(_ bytes: UnsafeRawBufferPointer, at start: Int) throws(InferenceError) {
    // A write past its end would make the object larger.
    try checkObject()
    guard let base = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      let count = pwrite(descriptor, base + done, bytes.count - done, offset + start + done)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        let code = count == 0 ? ENOSPC : errno
        let message = "\(SharedMemoryRegion.region(name)): can't be written: \(reason(code))"
        throw InferenceError(code == ENOSPC ? .resourceExhausted : .internal, message)
      }
      done += count
    }
  }

  // MARK: - The object

  /// Makes sure that the object is as long as the region needs it.
  private func checkObject() throws(InferenceError) {
    let size = try objectSize()
    guard size >= offset + byteCount else { throw cutShort(size) }
  }

  private func objectSize() throws(InferenceError) -> Int {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .internal("\(SharedMemoryRegion.region(name)): can't be looked at: \(reason(errno))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .invalidArgument("\(SharedMemoryRegion.region(name)): '\(key)' is not a shared memory object")
    }
    return Int(status.st_size)
  }

  private func cutShort(_ size: Int) -> InferenceError {
    .invalidArgument(
      "\(SharedMemoryRegion.region(name)): offset \(offset) and byte_size \(byteCount) reach past the end of '\(key)', "
        + "which has \(size) bytes")
  }

  // MARK: - Names

  /// Longest name that a file may have: NAME_MAX.
  private static let maxKeyBytes = 255

  /// The object's name without its slash: a file in /dev/shm, and nowhere else.
  private static func objectName(_ key: String, _ name: String) throws(InferenceError) -> String {
    let object = key.hasPrefix("/") ? String(key.dropFirst()) : key
    guard !object.isEmpty, object.utf8.count <= maxKeyBytes, object != ".", object != "..",
      object.utf8.allSatisfy({ $0 != 0 && $0 != UInt8(ascii: "/") })
    else {
      throw .invalidArgument(
        "\(region(name)): key is '\(key.prefix(100))'; expected the name of a shared memory object: 1 to \(maxKeyBytes) "
          + "bytes, with no '/' but one in front")
    }
    return object
  }

  private static func failure(toOpen key: String, _ name: String, _ code: Int32) -> InferenceError {
    let message = "\(region(name)): can't open the shared memory object '\(key)': \(String(cString: strerror(code)))"
    return switch code {
    case ENOENT: .notFound(message)
    case EACCES, EPERM: .permissionDenied(message)
    case EMFILE, ENFILE, ENOMEM: .resourceExhausted(message)
    default: .invalidArgument(message)
    }
  }

  private func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

  /// A region's name as errors have it: a client chooses it, and not how long the answer gets.
  static func region(_ name: String) -> String {
    "shared memory region '\(name.utf8.count <= 256 ? name : name.prefix(64) + "…")'"
  }
}
