/// Why the artifact store did not do what it was asked. The message names the path, digest or limit.
package struct ArtifactError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// What was sent can never be taken as it is: a manifest, a path, too many bytes.
    case invalidArgument
    /// No such upload, tree or blob.
    case notFound
    /// The bytes begin elsewhere than the blob ends. Send those from `offset` on.
    case wrongOffset
    /// The bytes of a blob are not those of its digest. They are gone: send it again from 0.
    case wrongDigest
    /// Blobs are missing. Send them, then complete again.
    case incomplete
    /// A limit with a name was reached: see `ArtifactLimits`.
    case limitReached
    /// No room on the disk. What arrived is kept: go on from `offset` once there is room.
    case full
    /// What is stored is not what it was.
    case corrupt
    /// The file system refused. The message says what and why.
    case unavailable
  }

  package var code: Code
  package var message: String
  /// With `.wrongOffset`, `.wrongDigest` and `.full` of an append: where the next bytes of the blob begin.
  package var offset: Int64?

  package init(_ code: Code, _ message: String, offset: Int64? = nil) {
    self.code = code
    self.message = message
    self.offset = offset
  }

  package var description: String { "\(code): \(message)" }
}
