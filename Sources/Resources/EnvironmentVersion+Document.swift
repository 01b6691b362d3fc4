internal import Documents

extension EnvironmentVersion: Resource {
  package init(reading fields: FieldReader) {
    self.init(
      name: fields.assetName("name", fromURL: 0, isRequired: true), version: fields.assetName("version", fromURL: 1))
    fields.ignoreReadOnly("latest_version")
    if fields.form == .cli {
      if fields.object["channels"] != nil || fields.object["dependencies"] != nil {
        fields.context.note(
          .error, at: fields.path,
          "this is a conda file, not an environment: write its path as conda_file of an environment with a name and "
            + "an image"
        )
      }
      readProperties(fields)
    } else {
      _ = fields.object("properties", { readProperties($0) })
      if !fields.has("properties") { fields.fault("properties", "expected an object, got nothing") }
    }
  }

  private mutating func readProperties(_ fields: FieldReader) {
    description = fields.string("description")
    tags = fields.strings("tags")
    properties = fields.strings("properties")
    image = fields.string("image")
    build = fields.object("build") { build in
      Build(
        path: build.localPath("path", rest: "contextUri"),
        dockerfilePath: build.pathWithin("build.path", "dockerfile_path"))
    }
    condaFile = readCondaFile(fields)
    operatingSystem = fields.choice("os_type") ?? .linux
    datastore = fields.string("datastore")
    inferenceConfiguration = readInferenceConfiguration(fields)
    if fields.form == .rest {
      fields.ignore("isAnonymous", "isArchived", "provisioningState", "environmentType", "autoRebuild", "stage")
    }
    note(fields)
  }

  /// Says what is not possible, and what has no effect on a server that runs no containers.
  private func note(_ fields: FieldReader) {
    let noContainers = "has no effect: this server runs no containers"
    if image != nil && build != nil {
      fields.fault("build", "expected image or build, got both")
    } else if image != nil {
      fields.warn("image", "\(noContainers), so no image is pulled; the model runs on the server's own backends")
    } else if build != nil {
      fields.warn("build", "\(noContainers), so no image is built")
    }
    if condaFile != nil && build != nil {
      fields.fault("conda_file", "expected it beside an image, got it beside build")
    }
    if condaFile != nil {
      fields.warn("conda_file", "has no effect: this server installs no packages; the model runs on the server's own backends")
    }
    if operatingSystem == .windows {
      fields.warn("os_type", "has no effect: deployments run on this server's own system, which is Linux")
    }
    if datastore != nil {
      fields.warn("datastore", "has no effect: this server keeps all files in the store of its data directory")
    }
    if inferenceConfiguration != nil {
      fields.warn(
        "inference_config",
        "\(noContainers), so there are no routes of one's own; the endpoint's paths are the server's")
    }
  }

  private func readCondaFile(_ fields: FieldReader) -> CondaFile? {
    guard let value = fields.value("conda_file") else { return nil }
    if value.object != nil { return .text(value.yaml()) }
    guard let text = value.string else {
      fields.expect("a path or the contents of a conda file", "conda_file", rest: nil, got: value)
      return nil
    }
    guard fields.form == .rest, !text.hasPrefix("file://") else {
      return fields.localPath("conda_file").map(CondaFile.path)
    }
    // REST sends the file's text.
    if let contents = try? SourceDocument(yaml: text).root, contents.object != nil { return .text(contents.yaml()) }
    fields.fault("conda_file", "expected the text of a conda file, got \(value.quoted)")
    return nil
  }

  private func readInferenceConfiguration(_ fields: FieldReader) -> InferenceConfiguration? {
    fields.object("inference_config") { routes in
      func route(_ key: String) -> InferenceConfiguration.Route {
        guard routes.has(key) else {
          routes.fault(key, "expected a path and a port, got nothing; all three routes are needed")
          return InferenceConfiguration.Route(path: "", port: 0)
        }
        return routes.object(key) { route in
          let (path, port) = (route.string("path"), route.int("port", in: 1...65535))
          if !route.has("path") { route.fault("path", "expected a path, got nothing") }
          if !route.has("port") { route.fault("port", "expected a port, got nothing") }
          return InferenceConfiguration.Route(path: path ?? "", port: port ?? 0)
        } ?? InferenceConfiguration.Route(path: "", port: 0)
      }
      return InferenceConfiguration(
        liveness: route("liveness_route"), readiness: route("readiness_route"), scoring: route("scoring_route"))
    }
  }

  package func write(to fields: inout FieldWriter) {
    fields.putAssetIdentifiers(name: name, version: version, type: "environments/versions")
    fields.properties { fields in
      fields.put("description", description)
      fields.put("tags", strings: tags)
      fields.put("properties", strings: properties)
      fields.put("image", image)
      if let build {
        fields.put("build", keepsEmpty: true) { fields in
          fields.put("path", rest: "contextUri", build.path)
          fields.put("dockerfile_path", build.dockerfilePath)
        }
      }
      switch condaFile {
      case .path(let path): fields.put("conda_file", fields.form == .cli ? path : "file://\(path)")
      case .text(let text):
        fields.put("conda_file", fields.form == .cli ? try? SourceDocument(yaml: text).root : .string(text))
      case nil: break
      }
      fields.put("os_type", word: operatingSystem)
      fields.put("datastore", datastore)
      if let routes = inferenceConfiguration {
        fields.put("inference_config") { fields in
          for (key, route) in [
            ("liveness_route", routes.liveness), ("readiness_route", routes.readiness),
            ("scoring_route", routes.scoring),
          ] {
            fields.put(key) { fields in
              fields.put("path", route.path)
              fields.put("port", route.port)
            }
          }
        }
      }
      if fields.isRoot || fields.form == .rest { fields.putProvisioningState() }
    }
  }
}
