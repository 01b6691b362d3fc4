package import Inference

/// Something that a role may allow, as Azure names it: `Microsoft.MachineLearningServices/workspaces/onlineEndpoints/read`.
///
/// The prefix up to `workspaces/` may be left out. Case doesn't matter.
/// Source: "How to authenticate clients for online endpoints" and "…batch endpoints" of the Azure ML documentation.
package struct Action: Hashable, Sendable, CustomStringConvertible {
  package static let prefix = "Microsoft.MachineLearningServices/workspaces/"
  static let maxBytes = 256

  /// The whole name, as documented.
  package let description: String
  /// The whole name in lower case.
  let folded: [UInt8]

  /// - Throws: `.invalidArgument` unless it is segments of letters, digits, `.`, `-` and `_`, joined by `/`, of which the
  ///   last is the verb.
  package init(parsing text: String) throws(InferenceError) {
    let name = Action.completed(text)
    guard Action.isName(name, wildcards: false) else {
      throw .invalidArgument(
        "action: expected a name such as 'onlineEndpoints/read' or 'onlineEndpoints/score/action', got '\(text.prefix(128))'")
    }
    description = name
    folded = Array(name.lowercased().utf8)
  }

  private init(known name: String) {
    description = Action.completed(name)
    folded = Array(description.lowercased().utf8)
  }

  /// Names of other providers stay; what starts with a wildcard spans all of them.
  static func completed(_ text: String) -> String {
    text.hasPrefix("*") || text.lowercased().hasPrefix("microsoft.") ? text : prefix + text
  }

  static func isName(_ text: String, wildcards: Bool) -> Bool {
    guard (1...maxBytes).contains(text.utf8.count) else { return false }
    return text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { segment in
      !segment.isEmpty
        && segment.utf8.allSatisfy { byte in
          switch byte {
          case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
          case UInt8(ascii: "*"): wildcards
          default: false
          }
        }
    }
  }
}

// MARK: - The actions of this server

extension Action {
  package static let readWorkspace = Action(known: "read")
  package static let writeWorkspace = Action(known: "write")

  package static let readOnlineEndpoint = Action(known: "onlineEndpoints/read")
  package static let writeOnlineEndpoint = Action(known: "onlineEndpoints/write")
  package static let deleteOnlineEndpoint = Action(known: "onlineEndpoints/delete")
  package static let readOnlineDeployment = Action(known: "onlineEndpoints/deployments/read")
  package static let writeOnlineDeployment = Action(known: "onlineEndpoints/deployments/write")
  package static let deleteOnlineDeployment = Action(known: "onlineEndpoints/deployments/delete")
  package static let listKeys = Action(known: "onlineEndpoints/listKeys/action")
  package static let regenerateKeys = Action(known: "onlineEndpoints/regenerateKeys/action")
  package static let issueToken = Action(known: "onlineEndpoints/token/action")
  package static let score = Action(known: "onlineEndpoints/score/action")

  package static let readDeploymentLogs = Action(known: "onlineEndpoints/deployments/getLogs/action")

  package static let readModel = Action(known: "models/versions/read")
  package static let writeModel = Action(known: "models/versions/write")
  package static let deleteModel = Action(known: "models/versions/delete")
  package static let readEnvironment = Action(known: "environments/versions/read")
  package static let writeEnvironment = Action(known: "environments/versions/write")
  package static let deleteEnvironment = Action(known: "environments/versions/delete")
  package static let readUpload = Action(known: "uploads/read")
  package static let writeUpload = Action(known: "uploads/write")
  package static let readOperation = Action(known: "operations/read")
  package static let readAuditLog = Action(known: "auditLog/read")
  package static let readPrincipal = Action(known: "principals/read")
  package static let writePrincipal = Action(known: "principals/write")
  package static let deletePrincipal = Action(known: "principals/delete")

  package static let readRoleAssignment = Action(known: "Microsoft.Authorization/roleAssignments/read")
  package static let writeRoleAssignment = Action(known: "Microsoft.Authorization/roleAssignments/write")
  package static let deleteRoleAssignment = Action(known: "Microsoft.Authorization/roleAssignments/delete")
  package static let readRoleDefinition = Action(known: "Microsoft.Authorization/roleDefinitions/read")
  package static let writeRoleDefinition = Action(known: "Microsoft.Authorization/roleDefinitions/write")
  package static let deleteRoleDefinition = Action(known: "Microsoft.Authorization/roleDefinitions/delete")

  /// All that this server asks an `Authorizer` about.
  package static let all: [Action] = [
    readWorkspace, writeWorkspace, readOnlineEndpoint, writeOnlineEndpoint, deleteOnlineEndpoint, readOnlineDeployment,
    writeOnlineDeployment, deleteOnlineDeployment, listKeys, regenerateKeys, issueToken, score, readDeploymentLogs,
    readModel, writeModel, deleteModel, readEnvironment, writeEnvironment, deleteEnvironment, readUpload, writeUpload,
    readOperation, readAuditLog, readPrincipal, writePrincipal, deletePrincipal, readRoleAssignment, writeRoleAssignment,
    deleteRoleAssignment, readRoleDefinition, writeRoleDefinition, deleteRoleDefinition,
  ]
}

/// Actions by a name in which `*` stands for any run of characters, `/` too.
package struct ActionPattern: Hashable, Sendable, CustomStringConvertible {
  package let description: String
  private let folded: [UInt8]

  /// - Throws: `.invalidArgument` unless it is an action's name in which `*` may stand.
  package init(parsing text: String) throws(InferenceError) {
    let name = Action.completed(text)
    guard Action.isName(name, wildcards: true) else {
      throw .invalidArgument(
        "actions: expected a pattern such as '*', '*/read' or 'onlineEndpoints/*', got '\(text.prefix(128))'")
    }
    description = name
    folded = Array(name.lowercased().utf8)
  }

  package func matches(_ action: Action) -> Bool {
    // The text up to the latest `*` is settled: when what follows it does not fit, only the length that this `*` stands
    // for can still be wrong. So no pattern takes more steps than its length times the name's.
    let name = action.folded
    let star = UInt8(ascii: "*")
    var (position, place) = (0, 0)
    var latestStar: Int?
    var starEnd = 0
    while position < name.count {
      if place < folded.count, folded[place] == star {
        latestStar = place
        starEnd = position
        place += 1
      } else if place < folded.count, folded[place] == name[position] {
        place += 1
        position += 1
      } else if let latestStar {
        starEnd += 1
        position = starEnd
        place = latestStar + 1
      } else {
        return false
      }
    }
    return folded[place...].allSatisfy { $0 == star }
  }
}
