import Documents
import Resources
import Testing

/// Each test takes a file that has every key and changes one thing after the other, in both forms.
@Suite struct EveryKeyTests {
  @Test(arguments: Example.all)
  func `a file with every key has no errors`(_ example: Example) throws {
    let outcome = example.read(try example.source())
    #expect(outcome.errors == [])
    #expect(outcome.resource != nil)
  }

  @Test(arguments: Example.all, Form.both)
  func `every key makes a difference or is answered`(_ example: Example, _ form: Form) throws {
    let document = try example.document(form)
    let whole = example.read(document, in: form)
    for (place, value) in document.places() where !place.isFree(in: form) {
      let without = example.read(document.replacing(place, by: nil), in: form)
      // Where the example has the default.
      let changed = example.read(document.replacing(place, by: Damage.change(of: value)), in: form)
      let isAnswered = whole.findings.contains { $0.path == place.description }
      #expect(isAnswered || without.resource != whole.resource || changed.resource != whole.resource, "\(place)")
    }
  }

  @Test(arguments: Example.all, Form.both)
  func `a key of the wrong kind is named, with what was expected and what was given`(
    _ example: Example, _ form: Form
  ) throws {
    let document = try example.document(form)
    for (place, value) in document.places() where !place.isFree(in: form) {
      for damage in Damage.kinds(of: value, at: place) {
        let errors = example.read(document.replacing(place, by: damage), in: form).errors
        let path = place.description
        #expect(
          errors.contains { $0.path == path && $0.message.contains("expected") && $0.message.contains(damage.quoted) }
            || damage.object != nil && errors.contains { $0.path.hasPrefix(path + ".") },
          "\(path) as \(damage.json()): \(errors)")
      }
    }
  }

  @Test(arguments: Example.all)
  func `a wrong value is told with its line`(_ example: Example) throws {
    let source = try example.source()
    for (place, _) in source.root.places() where !place.isFree(in: .cli) {
      let damaged = source.root.replacing(place, by: ["damage", "damage"])
      guard source.root.places().first(where: { $0.place == place })?.value.array == nil else { continue }
      let text = damaged.yaml()
      let line = try #require(text.split(separator: "\n").firstIndex { $0.hasSuffix("- damage") })
      let reread = try SourceDocument(yaml: text)
      let finding = example.read(reread).errors.first { $0.path == place.description }
      // A key's list begins on the line after it; an element's, on its own.
      #expect(finding?.line == (place.isAtKey ? line : line + 1), "\(place) in\n\(text)")
    }
  }

  @Test(arguments: Example.all, Form.both)
  func `a mistyped key is an error that suggests the right one`(_ example: Example, _ form: Form) throws {
    let document = try example.document(form)
    for (place, value) in document.places() where place.isAtKey && !place.isFree(in: form) && !place.isInMap(form) {
      let key = try #require(place.keys.last)
      var letters = Array(key)
      letters.swapAt(1, 2)
      let typo = String(letters)
      guard typo != key else { continue }
      let parent = DocumentPath(place.steps.dropLast())
      let damaged = document.replacing(place, by: nil).replacing(parent.appending(typo), by: value)
      let errors = example.read(damaged, in: form).errors
      #expect(
        errors.contains {
          $0.path == parent.appending(typo).description && $0.message == "unknown key. Did you mean '\(key)'?"
        }, "\(place): \(errors)")
    }
  }

  @Test(arguments: Example.all)
  func `a key like no other is told which ones there are, and its line`(_ example: Example) throws {
    let text = example.yaml + "\nzzzzzzzzzzzzzzzzzzzzzzzz: 1\n"
    let finding = try #require(example.read(try SourceDocument(yaml: text)).errors.first)
    #expect(finding.path == "zzzzzzzzzzzzzzzzzzzzzzzz")
    #expect(finding.line == example.yaml.split(separator: "\n", omittingEmptySubsequences: false).count + 1)
    #expect(finding.message.hasPrefix("unknown key, expected one of: "))
    for key in try example.source().root.object?.keys ?? [] where key != "$schema" {
      #expect(finding.message.contains(key))
    }
  }

  @Test(arguments: Example.all, Form.both)
  func `all that is wrong is told at once`(_ example: Example, _ form: Form) throws {
    var document = try example.document(form)
    var places: [String] = []
    for (place, value) in document.places() where !place.isFree(in: form) {
      guard value.object == nil && value.array == nil, place.isAtKey else { continue }
      document = document.replacing(place, by: [1])
      places.append(place.description)
    }
    let paths = Set(example.read(document, in: form).errors.map(\.path))
    #expect(places.allSatisfy(paths.contains), "\(places.filter { !paths.contains($0) })")
    #expect(throws: ResourceError.self) {
      try OnlineEndpoint.read(SourceDocument(["name": "ab", "traffic": 3]), folder: "/").get()
    }
  }

  @Test(arguments: Example.all)
  func `the whole of another kind is an error and no crash`(_ example: Example) {
    for document: Document in [.null, true, 7, 1.5, "text", [], [[]], [:]] {
      for form in Form.both {
        let outcome = example.read(document, in: form)
        #expect(outcome.resource == nil && !outcome.errors.isEmpty, "\(document)")
      }
    }
  }
}

enum Damage {
  /// Another value of the same kind.
  static func change(of value: Document) -> Document {
    switch value {
    case .null: "something"
    case .bool(let bool): .bool(!bool)
    case .int(let int): .int(int + 1)
    case .double(let double): .double(double + 0.25)
    case .string("False"): "True"
    case .string(let text): .string(text + "x")
    case .array(let list): .array(list + ["x"])
    case .object: ["x": "y"]
    }
  }

  /// Values of a wrong kind.
  static func kinds(of value: Document, at place: DocumentPath) -> [Document] {
    let isOpen = ["conda_file", "condaFile"].contains(place.keys.last)
    return switch value {
    case .array: ["damage", true, ["damage": 1]]
    case .object: [["damage"], true]
    default: isOpen ? [["damage"]] : [["damage"], ["damage": 1]]
    }
  }
}
