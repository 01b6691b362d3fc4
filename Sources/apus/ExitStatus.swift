internal import ApusClient
internal import ArgumentParser
internal import Arrivals
internal import Artifacts
internal import Documents
internal import Foundation
internal import Inference
internal import LoadTesting

/// What `apus` ends with. Source of the numbers over 60: sysexits.h; 3 is az's for what `show` does not find.
enum ExitStatus {
  static let failed = ExitCode(1)
  static let notFound = ExitCode(3)
  static let usage = ExitCode(64)
  static let unreachable = ExitCode(69)
  static let noPermission = ExitCode(77)

  /// Runs a command's work; what goes wrong is said on standard error, and decides how the program ends.
  static func report(_ work: () async throws -> Void) async throws {
    do { try await work() } catch { throw said(error) }
  }

  /// The same for work that does not wait.
  static func report(_ work: () throws -> Void) throws {
    do { try work() } catch { throw said(error) }
  }

  private static func said(_ error: any Error) -> any Error {
    switch error {
    case let error as ClientError:
      say("apus: \(error)")
      return error.origin == .connection ? unreachable : failed
    case let error as LoadError:
      say("apus: \(error.message)")
      switch error.kind {
      case .usage: return usage
      case .unreachable: return unreachable
      case .server: return failed
      }
    case let error as TraceError:
      say("apus: \(error.message)")
      return usage
    case let error as UsageError:
      say("apus: \(error.message)")
      return usage
    case let error as ControlError:
      say("apus: \(error)")
      switch error.status {
      case 404: return notFound
      case 401, 403: return noPermission
      default: return failed
      }
    case let error as UnreachableError:
      say("apus: \(error)")
      return unreachable
    case let error as LocalServerError:
      say("apus: \(error)")
      return failed
    case is QueryError, is DocumentError, is ArtifactError:
      say("apus: \(error)")
      return usage
    default: return error
    }
  }

  /// What went wrong, without the server's own word for the kind of error.
  static func text(of error: any Error) -> String { (error as? InferenceError)?.message ?? "\(error)" }

  /// Writes a line to standard error.
  static func say(_ line: String) { FileHandle.standardError.write(Data("\(line)\n".utf8)) }
}

/// What the person at the keyboard can put right: a value, a file, a combination of options.
package struct UsageError: Error, Hashable, CustomStringConvertible {
  package let message: String

  package init(_ message: String) { self.message = message }

  package var description: String { message }
}
