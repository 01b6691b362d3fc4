internal import ArgumentParser
internal import Resources

/// Online deployments: what answers for an endpoint.
struct DeploymentCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "deployment",
    abstract: "Create, change and delete online deployments.",
    discussion: """
      EXAMPLES:
        apus deployment create -f blue.yml --all-traffic
        apus deployment update -n blue -e churn --set instance_count=3
        apus deployment get-logs -n blue -e churn --lines 100
        apus deployment list -e churn -o table
      """,
    subcommands: [
      CreateDeployment.self, UpdateDeployment.self, ShowDeployment.self, ListDeployments.self, DeleteDeployment.self,
      GetLogs.self,
    ],
    aliases: ["online-deployment"])
}

extension ServedResource where Value == OnlineDeployment {
  static var columns: [TableColumn] {
    [
      TableColumn("name", "name"), TableColumn("endpoint", "endpoint_name"), TableColumn("state", "provisioning_state"),
      TableColumn("model", "model"), TableColumn("instance type", "instance_type"),
      TableColumn("instances", "instance_count"), TableColumn("scale", "scale_settings.type"),
    ]
  }
}
