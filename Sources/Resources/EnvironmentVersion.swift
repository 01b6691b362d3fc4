/// What a model's code needs around it.
package struct EnvironmentVersion: Hashable, Sendable {
  package enum OperatingSystem: String, CaseIterable, Hashable, Sendable { case linux, windows }

  /// The recipe of an image.
  package struct Build: Hashable, Sendable {
    /// A local folder, absolute.
    package var path: String?
    /// Relative to `path`. `nil`: `Dockerfile`.
    package var dockerfilePath: String?

    package init(path: String? = nil, dockerfilePath: String? = nil) {
      self.path = path
      self.dockerfilePath = dockerfilePath
    }
  }

  /// A conda file: where it is, or what it says.
  package enum CondaFile: Hashable, Sendable {
    /// Absolute.
    case path(String)
    /// YAML text.
    case text(String)
  }

  /// Where a container of one's own answers.
  package struct InferenceConfiguration: Hashable, Sendable {
    package struct Route: Hashable, Sendable {
      package var path: String
      /// 1 to 65535.
      package var port: Int

      package init(path: String, port: Int) {
        self.path = path
        self.port = port
      }
    }
    package var liveness: Route
    package var readiness: Route
    package var scoring: Route

    package init(liveness: Route, readiness: Route, scoring: Route) {
      self.liveness = liveness
      self.readiness = readiness
      self.scoring = scoring
    }
  }

  /// `nil` only where it is nested in a deployment.
  package var name: String?
  /// `nil`: the next whole number.
  package var version: String?
  package var description: String?
  package var tags: [String: String]
  package var properties: [String: String]
  package var image: String?
  package var build: Build?
  package var condaFile: CondaFile?
  package var operatingSystem: OperatingSystem
  package var datastore: String?
  package var inferenceConfiguration: InferenceConfiguration?

  package init(
    name: String? = nil, version: String? = nil, description: String? = nil, tags: [String: String] = [:],
    properties: [String: String] = [:], image: String? = nil, build: Build? = nil, condaFile: CondaFile? = nil,
    operatingSystem: OperatingSystem = .linux, datastore: String? = nil,
    inferenceConfiguration: InferenceConfiguration? = nil
  ) {
    self.name = name
    self.version = version
    self.description = description
    self.tags = tags
    self.properties = properties
    self.image = image
    self.build = build
    self.condaFile = condaFile
    self.operatingSystem = operatingSystem
    self.datastore = datastore
    self.inferenceConfiguration = inferenceConfiguration
  }
}
