import CFaults
import CrashTesting
import SQLiteStore
import Stores

/// Runs a catalogue's script where it stopped: `catalogue PATH SEED COUNT FAULT`.
enum CatalogSubject {
  static func run(_ arguments: [String]) async throws {
    let script = CatalogScript(seed: UInt64(arguments[1])!)
    CrashSubject.setFault(arguments[3])
    let store = try SQLiteStore(path: arguments[0], clock: { 1_000 })
    let first = try await CatalogScript.count(store) + 1
    var isFull = false
    for number in first..<first + Int(arguments[2])! {
      do {
        try await script.run(number, on: store)
        CrashSubject.say("done \(number)")
      } catch let error as CatalogStoreError where error.code == .full && !isFull {
        isFull = true
        CrashSubject.say("full \(number) \(error.message)")
        // What was there can still be read. Then there is room again, and the same operation works.
        let count = try await CatalogScript.count(store)
        faults_full_from(0)
        try await script.run(count + 1, on: store)
        CrashSubject.say("done \(count + 1)")
        return
      }
    }
    try store.close()
    CrashSubject.say("closed")
  }
}
