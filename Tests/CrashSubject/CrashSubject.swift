import Artifacts
import CFaults
import Glibc

/// Does what tests of crashes and full disks ask for, step by step, and says on standard output what has been done.
/// The tests kill it.
@main struct CrashSubject {
  static func main() async {
    let arguments = Array(CommandLine.arguments.dropFirst())
    do {
      switch arguments.first {
      case "catalogue": try await CatalogSubject.run(Array(arguments.dropFirst()))
      case "control": try await ControlSubject.run(Array(arguments.dropFirst()))
      case "artifacts": try ArtifactSubject.run(Array(arguments.dropFirst()))
      case "opening":
        setFault(arguments[2])
        _ = try ArtifactStore(path: arguments[1])
        say("end")
      default: say("error: the first argument is not a subject")
      }
    } catch {
      say("error: \(error)")
      exit(1)
    }
  }

  /// One line, in one write.
  static func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    precondition(write(1, bytes, bytes.count) == bytes.count)
  }

  /// `kill=12` ends the process at step 12; `full=12` fills the disk there; anything else changes nothing.
  static func setFault(_ argument: String) {
    faults_kill_at(0)
    if argument.hasPrefix("kill="), let step = Int(argument.dropFirst(5)) { faults_kill_at(step) }
    if argument.hasPrefix("full="), let step = Int(argument.dropFirst(5)) { faults_full_from(step) }
  }
}
