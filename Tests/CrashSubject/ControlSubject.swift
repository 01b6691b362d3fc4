import CatalogueTesting
import Control
import CrashTesting
import Documents

/// Runs a control plane on a data directory and takes steps of `CatalogueScript`: `control PATH SEED COUNT FAULT`.
///
/// It says `try` before a step, `ack` when it was acknowledged, and `state` with all that can be seen when all that it
/// began has ended.
enum ControlSubject {
  static func run(_ arguments: [String]) async throws {
    var random = SplitMix(seed: UInt64(arguments[1])!)
    var options = CatalogueWorld.Options()
    options.isDurable = true
    options.isOpen = false
    CrashSubject.setFault(arguments[3])
    let world = try await CatalogueWorld(options, at: arguments[0])
    await world.plane.settle()
    try await sayState(of: world)
    for _ in 0..<Int(arguments[2])! {
      let step = CatalogueScript.step(using: &random)
      CrashSubject.say("try \(step.scope) \(step.method.rawValue) \(step.path)")
      if let refusal = try await CatalogueScript.take(step, in: world) {
        CrashSubject.say("refused \(refusal.message)")
      } else {
        CrashSubject.say("ack")
      }
      await world.plane.settle()
      try await sayState(of: world)
    }
    try await world.end()
    CrashSubject.say("closed")
  }

  private static func sayState(of world: CatalogueWorld) async throws {
    var object = Document.Object()
    for (place, text) in try await CatalogueScript.state(of: world).sorted(by: { $0.key < $1.key }) { object[place] = .string(text) }
    object["audit"] = .string("\(try await world.audit().count)")
    CrashSubject.say("state \(Document.object(object).json())")
  }
}
