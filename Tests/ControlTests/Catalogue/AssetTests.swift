import Artifacts
import CatalogueTesting
import Control
import CrashTesting
import Documents
import Testing

@Suite(.serialized) struct AssetTests {
  @Test func `a model version is 201, the same again 200, and other contents are refused`() async throws {
    try await withWorld { world in
      try await world.addModel(add: 1)
      try await world.addModel("other", add: 2)
      let shown = try await world.send(.get, "models/adder/versions/1")
      #expect(shown.status == 200 && shown.etag != nil)
      let uri = try #require(shown.body?["properties"]?["modelUri"]?.string)
      let same = try await world.send(
        .put, "models/adder/versions/1", ["properties": ["modelUri": .string(uri), "modelType": "custom_model", "description": "d"]])
      #expect(same.status == 200 && same.body?["properties"]?["description"] == "d")
      let other = try await world.get("models/other/versions/1")["properties"]?["modelUri"]?.string ?? ""
      for body: Document in [
        ["properties": ["modelUri": .string(other), "modelType": "custom_model"]],
        ["properties": ["modelUri": .string(uri), "modelType": "triton_model"]],
      ] {
        let error = await world.refusal(.put, "models/adder/versions/1", body)
        #expect(error?.code == .conflict && error?.message.contains("versions never change") == true)
      }
      let patched = await world.refusal(.patch, "models/adder/versions/1", ["properties": ["modelUri": .string(other)]])
      #expect(patched?.code == .badArgument)
    }
  }

  @Test func `a model needs files that were uploaded, and a version that can stand in an address`() async throws {
    try await withWorld { world in
      let digest = String(repeating: "a", count: 64)
      let absent = await world.refusal(.put, "models/adder/versions/1", ["properties": ["modelUri": .string("artifact:\(digest)")]])
      #expect(absent?.code == .badArgument && absent?.message.contains("no upload '\(digest)' was completed") == true)
      for uri: Document in ["/etc/passwd", "artifact:../../x", "https://example.com/m", 3] {
        #expect(await world.refusal(.put, "models/adder/versions/1", ["properties": ["modelUri": uri]])?.code == .badArgument, "\(uri)")
      }
      #expect(await world.refusal(.put, "models/adder/versions/1", ["properties": [:]])?.code == .badArgument)
      try await world.addModel()
      let uri = try await world.get("models/adder/versions/1")["properties"]?["modelUri"] ?? .null
      for version in ["latest", String(repeating: "1", count: 31), "a b", "..", "ü"] {
        let error = await world.refusal(.put, "models/adder/versions/\(version)", ["properties": ["modelUri": uri]])
        #expect(error?.code == .badArgument, "\(version)")
      }
    }
  }

  @Test func `latest is the one that was registered last and is not archived`() async throws {
    try await withWorld { world in
      for version in ["2", "10", "9"] { try await world.addModel(version: version) }
      #expect(try await world.get("models/adder/versions/latest")["id"]?.string?.hasSuffix("/9") == true)
      let archived = try await world.send(.patch, "models/adder/versions/9", ["properties": ["isArchived": true]])
      #expect(archived.status == 200 && archived.body?["properties"]?["isArchived"] == true)
      #expect(try await world.get("models/adder/versions/latest")["id"]?.string?.hasSuffix("/10") == true)
      func ids(_ view: String?) async throws -> [String] {
        let list = try await world.get("models/adder/versions", query: view.map { ["listViewType": $0] } ?? [:])
        return list["value"]?.array?.compactMap { $0["id"]?.string?.split(separator: "/").last.map(String.init) } ?? []
      }
      #expect(try await ids(nil) == ["10", "2"], "the newest first")
      #expect(try await ids("All") == ["9", "10", "2"])
      #expect(try await ids("ArchivedOnly") == ["9"])
      #expect(await world.refusal(.get, "models/adder/versions", query: ["listViewType": "Some"])?.code == .badArgument)
      #expect(try await world.get("models")["value"]?[0]?["name"] == "adder")
    }
  }

  @Test func `an archived version takes no new deployment, and those that have it go on and can change`() async throws {
    try await withWorld { world in
      try await world.addChurn()
      _ = try await world.send(.patch, "models/adder/versions/1", ["properties": ["isArchived": true]])
      let error = await world.refusal(.put, "onlineEndpoints/churn/deployments/green", CatalogueWorld.deployment())
      #expect(error?.message == "model: version '1' of model 'adder' is archived: restore it first")
      let update = try await world.send(.patch, "onlineEndpoints/churn/deployments/blue", ["sku": ["capacity": 2]])
      #expect(try await world.ended(update)["status"] == "Succeeded")
      #expect(try world.answer() == 1)
    }
  }

  @Test func `a version in use is not deleted; one that is not goes by 200, and then 204`() async throws {
    try await withWorld { world in
      try await world.addChurn()
      let error = await world.refusal(.delete, "models/adder/versions/1")
      #expect(error?.code == .conflict && error?.message.contains("'churn/blue'") == true)
      try await world.setTraffic([:])
      try await world.ended(try await world.send(.delete, "onlineEndpoints/churn/deployments/blue"))
      #expect(try await world.send(.delete, "models/adder/versions/1").status == 200)
      #expect(try await world.send(.delete, "models/adder/versions/1").status == 204)
      #expect(await world.refusal(.get, "models/adder")?.code == .notFound)
    }
  }

  @Test func `the files of a version are listed, and read piece by piece`() async throws {
    try await withWorld { world in
      let big = (0..<2_500_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      let fixture = TreeFixture(files: [
        .init(path: "1/model.script", bytes: Array(CatalogueWorld.script(add: 1).utf8), isExecutable: false),
        .init(path: "big/data", bytes: big, isExecutable: true), .init(path: "empty", bytes: [], isExecutable: false),
      ])
      let digest = try await onOwnThread { try fixture.upload(to: world.artifacts) }
      _ = try await world.send(.put, "models/m/versions/1", ["properties": ["modelUri": .string("artifact:\(digest.hex)")]])
      let files = try await world.get("models/m/versions/1/files")["value"]?.array ?? []
      #expect(files.map { $0["path"] } == ["1/model.script", "big/data", "empty"])
      #expect(files[1]["size"] == 2_500_000 && files[1]["sha256"]?.string == Digest(of: big).hex && files[1]["isExecutable"] == true)

      func request(_ principal: Bool = true) -> ControlRequest {
        ControlRequest(
          method: .get, path: [], principal: principal ? world.owner : nil, baseAddress: "", scoringAddress: "")
      }
      #expect(try await world.plane.modelManifest("m", "latest", request()) == fixture.manifest().text)
      let reading = try await world.plane.modelFile("m", "1", path: "big/data", request())
      #expect(reading.size == 2_500_000 && reading.sha256 == Digest(of: big).hex)
      var read: [UInt8] = []
      while case let piece = try await reading.next(), !piece.isEmpty { read += piece }
      #expect(read == big)
      #expect(try await world.plane.modelFile("m", "1", path: "empty", request()).next() == [])
      for path in ["../m", "big", "/etc/passwd", "big/../empty", "big//data", ""] {
        await #expect { try await world.plane.modelFile("m", "1", path: path, request()) } throws: {
          ($0 as? ControlError)?.code == .notFound
        }
      }
      await #expect { try await world.plane.modelFile("m", "1", path: "empty", request(false)) } throws: {
        ($0 as? ControlError)?.code == .unauthenticated
      }
      #expect(await world.refusal(.get, "models/m/versions/2/files")?.code == .notFound)
    }
  }

  @Test func `what has no name of its own is listed only where everything is asked for`() async throws {
    try await withWorld { world in
      try await world.addModel()
      let uri = try await world.get("models/adder/versions/1")["properties"]?["modelUri"] ?? .null
      func models(_ view: String?) async throws -> [Document?] {
        let list = try await world.get("models", query: view.map { ["listViewType": $0] } ?? [:])
        return list["value"]?.array?.map { $0["name"] } ?? []
      }
      let model: Document = ["properties": ["modelUri": uri, "modelType": "custom_model"]]
      let anonymous = model.merging(["properties": ["isAnonymous": true]])
      #expect(try await world.send(.put, "models/anonymous-1/versions/1", anonymous).status == 201)
      #expect(try await models(nil) == ["adder"])
      #expect(try await models("All") == ["adder", "anonymous-1"])
      // Who knows its name finds it, and it stays what it is.
      let shown = try await world.get("models/anonymous-1/versions")["value"]?[0] ?? .null
      #expect(shown["properties"]?["isAnonymous"] == true)
      #expect(try await world.send(.put, "models/anonymous-1/versions/1", shown).status == 200)
      #expect(try await models(nil) == ["adder"])
      // Registered without the word, it is listed like any other.
      #expect(try await world.send(.put, "models/anonymous-1/versions/1", model).status == 200)
      #expect(try await models(nil) == ["adder", "anonymous-1"])

      let environment: Document = ["properties": ["image": "registry/base:1", "isAnonymous": true]]
      #expect(try await world.send(.put, "environments/anonymous-1/versions/1", environment).status == 201)
      #expect(try await world.get("environments")["value"] == [])
      #expect(try await world.get("environments", query: ["listViewType": "All"])["value"]?.array?.count == 1)
    }
  }

  @Test func `an environment version is kept as it is`() async throws {
    try await withWorld { world in
      let body: Document = ["properties": ["image": "registry/base:1"]]
      #expect(try await world.send(.put, "environments/env/versions/1", body).status == 201)
      #expect(try await world.send(.put, "environments/env/versions/1", body).status == 200)
      let other = await world.refusal(.put, "environments/env/versions/1", ["properties": ["image": "registry/base:2"]])
      #expect(other?.code == .conflict && other?.message.contains("versions never change") == true)
      let both = await world.refusal(.put, "environments/env/versions/2", ["properties": ["image": "a", "build": ["contextUri": "b"]]])
      #expect(both?.code == .badArgument)
      let etag = try #require(try await world.send(.get, "environments/env/versions/1").etag)
      #expect(try await world.send(.patch, "environments/env/versions/1", ["properties": ["description": "d"]], ifMatch: etag).status == 200)
      #expect(await world.refusal(.patch, "environments/env/versions/1", ["properties": [:]], ifMatch: etag)?.code == .preconditionFailed)
      #expect(await world.refusal(.delete, "environments/env/versions/1", ifMatch: etag)?.code == .preconditionFailed)
      let shown = try await world.get("environments/env/versions/1")
      #expect(shown["properties"]?["description"] == "d")
      #expect(try await world.send(.put, "environments/env/versions/1", shown).status == 200)
      #expect(try await world.get("environments")["value"]?[0]?["name"] == "env")
      for version in ["10", "9"] { _ = try await world.send(.put, "environments/env/versions/\(version)", body) }
      #expect(
        try await world.get("environments")["value"]?[0]?["properties"]?["latestVersion"] == "9", "the one that came last")

      try await world.addModel()
      try await world.addEndpoint()
      try await world.addDeployment("blue", ["environmentId": "azureml:env:1"])
      #expect(await world.refusal(.delete, "environments/env/versions/1")?.code == .conflict)
      try await world.ended(try await world.send(.delete, "onlineEndpoints/churn"))
      #expect(try await world.send(.delete, "environments/env/versions/1").status == 200)
      #expect(try await world.send(.delete, "environments/env/versions/1").status == 204)
    }
  }

  @Test func `uploads belong to who began them, resume, and are complete or nothing`() async throws {
    try await withWorld { world in
      let fixture = TreeFixture(["1/model.script": CatalogueWorld.script(add: 4), "notes": "n"])
      let manifest = String(decoding: try fixture.manifest().text, as: UTF8.self)
      #expect(await world.refusal(.post, "uploads", ["manifest": 3])?.message.contains("manifest is 3") == true)
      #expect(await world.refusal(.post, "uploads", ["manifest": "nonsense"])?.code == .badArgument)
      let begun = try await world.send(.post, "uploads", ["manifest": .string(manifest)])
      #expect(begun.status == 201)
      let id = try #require(begun.body?["uploadId"]?.string)
      #expect(begun.body?["missing"]?.array?.count == 2)
      #expect(await world.refusal(.post, "uploads/\(id)/complete")?.code == .conflict, "nothing has come yet")
      for file in fixture.files {
        let end = try await world.plane.append(file.bytes, toBlob: Digest(of: file.bytes).hex, at: 0, ofUpload: id)
        #expect(end == Int64(file.bytes.count))
      }
      #expect(try await world.get("uploads/\(id)")["missing"] == [])
      #expect(try await world.get("uploads")["value"]?.array?.count == 1)
      let done = try await world.send(.post, "uploads/\(id)/complete")
      #expect(done.body?["digest"]?.string == (try fixture.manifest().digest.hex))
      let modelURI = done.body?["modelUri"] ?? .null
      #expect(try await world.send(.put, "models/m/versions/1", ["properties": ["modelUri": modelURI]]).status == 201)
      #expect(await world.refusal(.get, "uploads/\(id)")?.code == .notFound)
      let again = try await world.send(.post, "uploads", ["manifest": .string(manifest)])
      #expect(again.body?["missing"] == [], "it is all here")
      let other = again.body?["uploadId"]?.string ?? ""
      #expect(try await world.send(.delete, "uploads/\(other)").status == 200)
    }
  }
}
