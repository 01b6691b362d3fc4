internal import ArgumentParser

/// Online endpoints: the names that clients call.
struct EndpointCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "endpoint",
    abstract: "Create, change, call and delete online endpoints.",
    discussion: """
      An endpoint is a stable, authenticated name. Its deployments answer for it, each to its share of the traffic.

      EXAMPLES:
        apus endpoint create -f endpoint.yml
        apus endpoint update -n churn --traffic "blue=90 green=10"
        apus endpoint invoke -n churn --request-file row.json
        apus endpoint list -o table
        apus endpoint show -n churn --query scoring_uri -o tsv
      """,
    subcommands: [
      CreateEndpoint.self, UpdateEndpoint.self, ShowEndpoint.self, ListEndpoints.self, DeleteEndpoint.self,
      InvokeEndpoint.self, GetCredentials.self, GetToken.self, RegenerateKeys.self,
    ],
    aliases: ["online-endpoint"])
}
