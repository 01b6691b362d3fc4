import Artifacts
import CrashTesting
import Testing

@Suite struct ManifestTests {
  private static let hex = String(repeating: "0a", count: 32)
  private static let other = String(repeating: "0b", count: 32)

  private func refusal(_ text: String, limits: ArtifactLimits = ArtifactLimits()) -> ArtifactError? {
    refusal(Array(text.utf8), limits: limits)
  }

  private func refusal(_ text: [UInt8], limits: ArtifactLimits = ArtifactLimits()) -> ArtifactError? {
    do throws(ArtifactError) {
      _ = try Manifest.parse(text, limits: limits)
      return nil
    } catch {
      return error
    }
  }

  @Test func `the text of a tree is fixed, and so is its digest`() throws {
    let manifest = try TreeFixture(["b/model.onnx": "two", "a": "one"]).manifest()
    #expect(
      String(decoding: manifest.text, as: UTF8.self) == """
        apus-tree 1
        7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed 3 - a
        3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3 3 - b/model.onnx

        """)
    #expect(manifest.digest == Digest(of: manifest.text))
    #expect(manifest.totalBytes == 6)
  }

  /// As `sha256sum` says it, of "abc" (FIPS 180-4, example 1).
  @Test func `a digest is the SHA-256 of the bytes`() {
    #expect(Digest(of: Array("abc".utf8)).hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test(arguments: 0..<50 as Range<UInt64>)
  func `every tree's text is read back as the same tree`(_ seed: UInt64) throws {
    let manifest = try TreeFixture(seed: seed, maxFileBytes: 100).manifest()
    #expect(try Manifest.parse(manifest.text) == manifest)
  }

  @Test(arguments: [
    ("/etc/passwd", "is absolute"), ("../up", "has the part '..'"), ("a/../../up", "has the part '..'"),
    ("a/..", "has the part '..'"), ("./a", "has the part '.'"), ("", "is empty"), ("a//b", "has an empty part"),
    ("a/", "has an empty part"), ("a\0b", "control character 0"), ("a\u{1B}[2Jb", "control character 27"),
    ("a\tb", "control character 9"), ("a\u{7F}", "control character 127"),
    (String(repeating: "n", count: 256), "part of 256 bytes"),
    (String(repeating: "d/", count: 32) + "f", "has 33 parts"), (String(repeating: "abc/", count: 300), "has 1200 bytes"),
  ])
  func `a path that could lead elsewhere is refused, with the path and the line`(_ path: String, _ reason: String) throws {
    let error = try #require(refusal("apus-tree 1\n\(Self.hex) 3 - \(path)\n"))
    #expect(error.code == .invalidArgument)
    #expect(error.message.contains(reason) && error.message.contains("line 2"), "\(error)")
    #expect(!error.message.utf8.contains { $0 < 0x20 }, "a terminal may obey it: \(error)")
    // The same rule where no text is read.
    let entry = ManifestEntry(path: path, size: 3, digest: Digest(hex: Self.hex)!, isExecutable: false)
    #expect(throws: ArtifactError.self) { try Manifest(entries: [entry]) }
  }

  @Test func `a path that is not UTF-8 is refused`() throws {
    let text = Array("apus-tree 1\n\(Self.hex) 3 - a".utf8) + [0xC3, 0x28, 0x0A]
    let error = try #require(refusal(text))
    #expect(error.message.contains("'a\\xc3(' is not UTF-8"), "\(error)")
  }

  @Test(arguments: [
    ("", "line 1"), ("apus-tree 2\n", "line 1"), ("apus-tree 1", "line 1"), ("apus-tree 1\n", "no file"),
    ("apus-tree 1\n\n", "line 2"), ("apus-tree 1\n\(hex) 3 - a", "cut short"),
    ("apus-tree 1\n\(hex.uppercased()) 3 - a\n", "sha256"), ("apus-tree 1\n\(hex.dropLast()) 3 - a\n", "sha256"),
    ("apus-tree 1\n\(hex) -1 - a\n", "size is '-1'"), ("apus-tree 1\n\(hex) 03 - a\n", "size is '03'"),
    ("apus-tree 1\n\(hex) 99999999999999999999 - a\n", "size is"), ("apus-tree 1\n\(hex) 3 r a\n", "mode is 'r'"),
    ("apus-tree 1\n\(hex) 3 -\n", "is expected"), ("apus-tree 1\n\(hex) 3 - b\n\(hex) 3 - a\n", "not in the order"),
    ("apus-tree 1\n\(hex) 3 - a\n\(hex) 3 - a\n", "is there twice"), ("apus-tree 1\n\(hex) 3 - a\r\n", "control character 13"),
    ("apus-tree 1\n\(hex) 3 - a\n\(hex) 4 - b\n", "contradicts"), ("apus-tree 1\n\(hex) 0 - a\n", "contradicts"),
    ("apus-tree 1\n\(hex) 3 - a\n\(other) 3 - a-b\n\(other) 3 - a/b\n", "'a' is a file, and the folder of 'a/b'"),
  ])
  func `a text in another form is refused with where it differs`(_ text: String, _ reason: String) throws {
    let error = try #require(refusal(text), "\(text)")
    #expect(error.code == .invalidArgument && error.message.contains(reason), "\(error)")
  }

  @Test func `each limit of a manifest is named, and holds at its end`() throws {
    let text = "apus-tree 1\n\(Self.hex) 3 - a\n\(Self.other) 4 - b\n"
    var limits = ArtifactLimits()
    limits.maxManifestBytes = text.utf8.count
    limits.maxPathCount = 2
    limits.maxBlobBytes = 4
    limits.maxTreeBytes = 7
    #expect(refusal(text, limits: limits) == nil)
    let changes: [(String, (inout ArtifactLimits) -> Void)] = [
      ("maxManifestBytes", { $0.maxManifestBytes -= 1 }), ("maxPathCount", { $0.maxPathCount -= 1 }),
      ("maxBlobBytes", { $0.maxBlobBytes -= 1 }), ("maxTreeBytes", { $0.maxTreeBytes -= 1 }),
    ]
    for (name, change) in changes {
      var tighter = limits
      change(&tighter)
      let error = try #require(refusal(text, limits: tighter))
      #expect(error.code == .limitReached && error.message.contains(name), "\(error)")
    }
  }

  /// Every text one byte away from a good one is read as some tree with that very text, or refused.
  @Test func `no damaged text is taken for another tree's`() throws {
    let good = try TreeFixture(["a/b": "1", "c": "2"]).manifest()
    for index in good.text.indices {
      for byte in [0, 0x0A, 0x20, 0x2F, 0x2E, 0x30, 0x39, 0x61, 0x78, 0xFF] as [UInt8] where byte != good.text[index] {
        var text = good.text
        text[index] = byte
        if let read = try? Manifest.parse(text) { #expect(read.text == text && read.digest != good.digest) }
      }
    }
  }
}
