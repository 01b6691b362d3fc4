import Documents
import Foundation
import Testing
import apus

@Suite struct ProfileTests {
  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "apus-profile-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try body(folder)
  }

  private func mode(_ path: String) throws -> Int? {
    try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
  }

  @Test func `a profile is kept where its owner alone can read it, and comes back as it was`() throws {
    try withFolder { folder in
      let path = folder + "/apus/config.json"
      #expect(try Profile.read(from: path) == Profile())
      var profile = Profile()
      profile.server = "https://inference.example"
      profile.token = "secret"
      profile.defaults = ["workspace": "risk"]
      try profile.write(to: path)
      #expect(try Profile.read(from: path) == profile)
      #expect(try mode(path) == 0o600)
      #expect(try mode(folder + "/apus") == 0o700)
      profile.token = nil
      try profile.write(to: path)
      #expect(try Profile.read(from: path).token == nil)
      #expect(try mode(path) == 0o600)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/apus") == ["config.json"])
    }
  }

  @Test func `a file that is no profile is told of by its path`() throws {
    try withFolder { folder in
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try Data("{".utf8).write(to: URL(fileURLWithPath: folder + "/config.json"))
      let error = #expect(throws: UsageError.self) { try Profile.read(from: folder + "/config.json") }
      #expect(error?.message.contains(folder) == true)
    }
  }

  @Test func `the file is where the environment says`() {
    #expect(Profile.path(in: ["XDG_CONFIG_HOME": "/x", "HOME": "/h"]) == "/x/apus/config.json")
    #expect(Profile.path(in: ["XDG_CONFIG_HOME": "relative", "HOME": "/h"]) == "/h/.config/apus/config.json")
    #expect(Profile.path(in: ["HOME": "/h"]) == "/h/.config/apus/config.json")
  }

  @Test func `the environment overrides what is kept, and another server gets no secret`() {
    var kept = Profile()
    kept.server = "https://a.example"
    kept.token = "secret"
    kept.ca = "/ca.pem"
    kept.defaults = ["workspace": "risk", "endpoint": "churn"]
    #expect(kept.overridden(by: [:]) == kept)
    #expect(kept.overridden(by: ["APUS_SERVER": "https://a.example"]) == kept)
    #expect(kept.overridden(by: ["APUS_SERVER": "127.0.0.1:8001"]) == kept)
    let other = kept.overridden(by: ["APUS_SERVER": "https://b.example", "APUS_WORKSPACE": "fraud"])
    #expect(other.server == "https://b.example" && other.token == nil && other.ca == nil)
    #expect(other.defaults == ["workspace": "fraud", "endpoint": "churn"])
    #expect(kept.overridden(by: ["APUS_TOKEN": "other"]).token == "other")
  }

  @Test(arguments: ["http://h:1", "https://h", "https://h/path/", "unix:/run/apus.sock"])
  func `a server's address is a URL or a socket`(_ text: String) throws {
    let address = try ServerAddress(text, from: "--server")
    #expect(address.description == (text.hasSuffix("/") ? String(text.dropLast()) : text))
  }

  @Test(arguments: ["", "127.0.0.1:8001", "unix:", "ftp://h", "http://", "https://user:pass@h", "https://h?q=1"])
  func `what is no address is refused by the name of its option`(_ text: String) {
    let error = #expect(throws: UsageError.self) { try ServerAddress(text, from: "--server") }
    #expect(error?.message.hasPrefix("--server: expected http://HOST:PORT") == true)
  }
}

@Suite struct SharesTests {
  @Test func `shares are whole percents by name`() throws {
    #expect(try Shares.parse("blue=90 green=10", of: "-r") == ["blue": 90, "green": 10])
    #expect(try Shares.parse("a=0,b=100", of: "-r") == ["a": 0, "b": 100])
    #expect(try Shares.parse("", of: "-r") == [:])
  }

  @Test(arguments: ["blue", "blue=", "=5", "blue=-1", "blue=101", "blue=1.5", "blue=1 blue=2"])
  func `what is no share is quoted`(_ text: String) {
    let error = #expect(throws: UsageError.self) { try Shares.parse(text, of: "--traffic") }
    #expect(error?.message.hasPrefix("--traffic: ") == true)
  }

  @Test func `the next version is the number after the highest, whatever else there is`() {
    #expect(AssetVersions.next(after: []) == "1")
    #expect(AssetVersions.next(after: ["9", "10", "beta", "2"]) == "11")
    #expect(AssetVersions.next(after: ["beta"]) == "1")
  }
}
