import Documents
import Testing

private let endpoint: Document = [
  "name": "churn", "traffic": ["blue": 100], "limits": ["nvidia.com/gpu": "1"], "list": [["a": 1], ["a": 2]],
  "none": .null,
]

private func edited(_ edit: DocumentEdit, addsParents: Bool = false) throws -> Document {
  var document = endpoint
  try document.apply(edit, addsParents: addsParents)
  return document
}

private func refusal(_ edit: () throws -> DocumentEdit) -> String {
  do { return "made: \(try edited(edit()).json())" } catch { return "\(error)" }
}

@Suite struct EditingTests {
  @Test func `set replaces by path and reads values as JSON where it can`() throws {
    #expect(try edited(DocumentEdit(set: "traffic.blue=90"))["traffic"] == ["blue": 90])
    #expect(try edited(DocumentEdit(set: "traffic.green=10"))["traffic"] == ["blue": 100, "green": 10])
    #expect(try edited(DocumentEdit(set: "list[1].a=x=y"))["list"] == [["a": 1], ["a": "x=y"]])
    #expect(try edited(DocumentEdit(set: "limits['nvidia.com/gpu']=2"))["limits"] == ["nvidia.com/gpu": 2])
    #expect(try edited(DocumentEdit(set: "name={\"a\": [true]}"))["name"] == ["a": [true]])
    #expect(try edited(DocumentEdit(set: "name=90", forceString: true))["name"] == "90")
    #expect(try edited(DocumentEdit(set: "name=True"))["name"] == true)
    #expect(try edited(DocumentEdit(set: "name="))["name"] == "")
  }

  @Test func `add appends pairs as one object and values as elements`() throws {
    #expect(
      try edited(DocumentEdit(add: ["list", "a=3", "b=c"]))["list"] == [["a": 1], ["a": 2], ["a": 3, "b": "c"]])
    #expect(try edited(DocumentEdit(add: ["list", "3", "a=4"]))["list"] == [["a": 1], ["a": 2], 3, ["a": 4]])
    #expect(try edited(DocumentEdit(add: ["none", "{\"a\":\"b=c\"}"]))["none"] == [["a": "b=c"]])
    #expect(try edited(DocumentEdit(add: ["fresh", "x"], forceString: true))["fresh"] == ["x"])
  }

  @Test func `remove takes a key or an element`() throws {
    #expect(try edited(DocumentEdit(remove: ["traffic.blue"]))["traffic"] == [:])
    #expect(try edited(DocumentEdit(remove: ["list", "0"]))["list"] == [["a": 2]])
    #expect(try edited(DocumentEdit(remove: ["list[1]"]))["list"] == [["a": 1]])
  }

  @Test func `parents are added only where asked for`() throws {
    let edit = try DocumentEdit(set: "request_settings.request_timeout_ms=100")
    #expect(refusal { edit } == "request_settings.request_timeout_ms: there is no 'request_settings'")
    #expect(try edited(edit, addsParents: true)["request_settings"] == ["request_timeout_ms": 100])
  }

  @Test func `an error names the part of the path that is not there`() {
    #expect(
      refusal { try DocumentEdit(set: "trafic.blue=1") } == "trafic.blue: there is no 'trafic'. Did you mean 'traffic'?"
    )
    #expect(
      refusal { try DocumentEdit(set: "list[7].a=1") } == "list[7].a: there is no 'list[7]', the list has 2 elements")
    #expect(refusal { try DocumentEdit(set: "name.a=1") } == "name.a: 'name' is a string, which has no keys")
    #expect(refusal { try DocumentEdit(set: "traffic[0]=1") } == "traffic[0]: 'traffic' is an object, not a list")
    #expect(
      refusal { try DocumentEdit(add: ["traffic", "a=1"]) } == "traffic: expected a list to add to, it is an object")
    #expect(refusal { try DocumentEdit(remove: ["traffic.green"]) } == "traffic.green: there is nothing to remove")
    #expect(
      refusal { try DocumentEdit(remove: ["list", "2"]) } == "list[2]: there is no 'list[2]', the list has 2 elements")
  }

  @Test(arguments: ["a", "=1", "a..b=1", "a.=1", ".a=1", "a[=1", "a[x]=1", "a[-1]=1", "a['']=1"])
  func `a path that can't be read is refused`(argument: String) {
    #expect(throws: DocumentError.self) { try DocumentEdit(set: argument) }
  }

  @Test func `a path prints as it is read`() throws {
    for text in ["a.b[0].c", "a['nvidia.com/gpu'][1][2]", "a"] {
      #expect(try DocumentPath(parsing: text, of: "--set").description == text)
    }
  }

  @Test func `what an edit changed is on no line of the file`() throws {
    var source = try SourceDocument(yaml: "a: 1\nlist:\n  - x\n  - y\n")
    try source.apply(DocumentEdit(set: "a=2"))
    try source.apply(DocumentEdit(remove: ["list", "0"]))
    try source.apply(DocumentEdit(set: "new.b=1"), addsParents: true)
    #expect(source.lines.line(of: DocumentPath([.key("a")])) == nil)
    #expect(source.lines.line(of: DocumentPath([.key("list"), .index(0)])) == nil)
    #expect(source.lines.line(of: DocumentPath([.key("new"), .key("b"), .key("c")])) == nil)
    #expect(source.lines.line(of: DocumentPath([.key("new")])) == 1)  // Of the whole.
    #expect(source.lines.spelling(at: DocumentPath([.key("a")])) == nil)
    #expect(source.lines.spelling(at: DocumentPath([.key("list"), .index(0)])) == nil)
  }

  /// The cases of RFC 7396, appendix A.
  @Test(arguments: [
    (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#),
    (#"{"a":"b"}"#, #"{"a":null}"#, "{}"),
    (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#),
    (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#),
    (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#), ("[1,2]", #"{"a":"b","c":null}"#, #"{"a":"b"}"#),
    ("{}", #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
    (#"{"a":"foo"}"#, "null", "null"), (#"{"e":null}"#, #"{"a":1}"#, #"{"e":null,"a":1}"#),
  ])
  func `a merge patch merges objects, removes by null and replaces the rest`(
    target: String, patch: String, result: String
  ) throws {
    var document = try Document(json: target)
    document.merge(try Document(json: patch))
    #expect(try document == Document(json: result))
  }
}

@Suite struct NearestNameTests {
  @Test(arguments: [
    ("trafic", "traffic"), ("authMode", "auth_mode"), ("instance_cout", "instance_count"),
    ("instance-count", "instance_count"), ("tpye", "type"),
    ("modle", "model"),
  ])
  func `a slip of the pen finds its name`(slip: String, name: String) {
    #expect(NearestName.of(slip, in: ["name", "model", "traffic", "type", "auth_mode", "instance_count"]) == name)
  }

  @Test func `what is like nothing finds nothing`() {
    #expect(NearestName.of("colour", in: ["name", "traffic"]) == nil)
    #expect(NearestName.of(String(repeating: "x", count: 100_000), in: [String(repeating: "x", count: 100_000)]) == nil)
    #expect(NearestName.of("", in: [""]) == "")
  }
}
