import Documents
import Testing

/// What a text was refused for.
private func refusal(_ yaml: String, limits: DocumentLimits = DocumentLimits()) -> String {
  do throws(DocumentError) {
    return "read as \(try SourceDocument(yaml: yaml, limits: limits).root.json())"
  } catch { return error.description }
}

@Suite struct YAMLReaderTests {
  @Test(arguments: [
    ("a: 1", #"{"a":1}"#), ("a: 0x1F", #"{"a":31}"#), ("a: 9223372036854775807", #"{"a":9223372036854775807}"#),
    ("a: 1.50", #"{"a":1.5}"#), ("a: '1'", #"{"a":"1"}"#), ("a: yes", #"{"a":"yes"}"#), ("a: true", #"{"a":true}"#),
    ("a: ~\nb:", #"{"a":null,"b":null}"#), ("a: !!str 12", #"{"a":"12"}"#), ("a: !!float 2", #"{"a":2.0}"#),
    ("a: PT5S\nb: 1.2.3\nc:\n  -", #"{"a":"PT5S","b":"1.2.3","c":[null]}"#),
    ("- x\n- [1, {b: c}]", #"["x",[1,{"b":"c"}]]"#),
    ("", "null"), ("# only words", "null"), ("1: x", #"{"1":"x"}"#), ("a: |\n  b\n  c\n", #"{"a":"b\nc\n"}"#),
    ("{\"a\": \"\\u00e9\"}", "{\"a\":\"é\"}"), ("a: .inf", #"{"a":"Infinity"}"#), ("a: 1e400", #"{"a":"Infinity"}"#),
  ])
  func `a scalar is what the core schema says`(yaml: String, json: String) throws {
    #expect(try SourceDocument(yaml: yaml).root.json() == json)
  }

  @Test func `merge keys add what the object does not have, the first of a list first`() throws {
    let yaml = """
      one: &one {a: 1, b: 1}
      two: &two {b: 2, c: 2}
      both: {<<: [*one, *two], c: 3}
      alone:
        a: 0
        <<: *one
      quoted: {"<<": 1}
      """
    let root = try SourceDocument(yaml: yaml).root
    #expect(root["both"] == ["a": 1, "b": 1, "c": 3])
    #expect(root["alone"] == ["a": 0, "b": 1])
    #expect(root["quoted"] == ["<<": 1])
  }

  @Test func `every part knows its line, and an alias's parts know the alias's`() throws {
    let yaml = """
      name: a

      traffic:
        blue: 90
        green: 1.10
      list:
        - x
        - &y {z: 1}
      again: *y
      """
    let lines = try SourceDocument(yaml: yaml).lines
    #expect(lines.line(of: DocumentPath([.key("name")])) == 1)
    #expect(lines.line(of: DocumentPath([.key("traffic")])) == 3)
    #expect(lines.line(of: DocumentPath([.key("traffic"), .key("green")])) == 5)
    #expect(lines.line(of: DocumentPath([.key("list"), .index(1), .key("z")])) == 8)
    #expect(lines.line(of: DocumentPath([.key("again"), .key("z")])) == 9)
    #expect(lines.line(of: DocumentPath([.key("traffic"), .key("none")])) == 3)
    #expect(lines.spelling(at: DocumentPath([.key("traffic"), .key("green")])) == "1.10")
  }

  @Test(arguments: [
    ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is given twice"),
    ("1: x\n'1': y", "line 2: the key '1' is given twice"),
    ("a: 1\n---\nb: 2", "expected one document, got a second"),
    ("a: *b", "*b stands for nothing"), ("a: &a [*a]", "*a stands for nothing"),
    ("? [a]\n: b", "expected a key that is a string"),
    ("a: !!python/object x", "the tag tag:yaml.org,2002:python/object has no meaning"),
    ("a: [1", "line 2, column 1: not YAML: did not find"), ("a:\n\t- 1", "line 2"),
    ("a: !!int x", "'x' is not what its tag"), ("<<: 1", "<<: expected an object"),
    ("a: \u{0}", "byte 3"),
  ])
  func `what can't be read says what and where`(yaml: String, expected: String) {
    #expect(refusal(yaml).contains(expected), "\(refusal(yaml))")
  }

  @Test func `bytes that are not UTF-8 are refused with their line`() {
    #expect(throws: DocumentError("not UTF-8", line: 2)) {
      try SourceDocument(yaml: Array("name: a\nb: ".utf8) + [0xFF, 0xFE])
    }
  }

  @Test func `ten megabytes are refused with the limit`() {
    let yaml = "a: " + String(repeating: "x", count: 10 << 20)
    #expect(refusal(yaml) == "it has 10485763 bytes: expected at most maxBytes, which is 1048576")
  }

  @Test(arguments: ["[", "{a: ", "- "]) func `deep nesting is refused with the limit`(open: String) {
    let yaml = String(repeating: open, count: 100_000)
    #expect(refusal(yaml).contains("maxDepth"), "\(refusal(yaml))")
  }

  @Test func `depth that comes by aliases counts too`() {
    var yaml = "a0: &a0 [x]\n"
    for level in 1...70 { yaml += "a\(level): &a\(level) [*a\(level - 1)]\n" }
    #expect(refusal(yaml).contains("maxDepth"))
  }

  @Test(arguments: [
    "[*L, *L, *L, *L, *L, *L, *L, *L, *L]", "{a: *L, b: *L, c: *L, d: *L, e: *L}", "{<<: [*L, *L, *L, *L]}",
  ])
  func `an alias bomb stops at the limit of values`(level: String) {
    var yaml = "a0: &a0 {x: y}\n"
    for number in 1...30 {
      yaml += "a\(number): &a\(number) " + level.split(separator: "L").joined(separator: "a\(number - 1)") + "\n"
    }
    #expect(refusal(yaml).contains("more values than maxValues, which is 100000"), "\(refusal(yaml))")
  }

  @Test func `a bomb that is a key is refused`() {
    #expect(refusal("a: &a [x, x]\nb: &b [*a, *a]\n? *b\n: x").contains("expected a key that is a string"))
  }
}
