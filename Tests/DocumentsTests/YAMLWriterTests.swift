import Documents
import Testing

@Suite struct YAMLWriterTests {
  @Test func `objects and lists are one part a line, in order`() {
    let document: Document = [
      "name": "blue", "count": 3, "traffic": ["b": 90, "a": 10], "list": [["x": 1, "w": [1]], [], "z"], "none": [:],
    ]
    #expect(
      document.yaml() == """
        name: blue
        count: 3
        traffic:
          b: 90
          a: 10
        list:
          - x: 1
            w:
              - 1
          - []
          - z
        none: {}

        """)
  }

  @Test(arguments: [
    "", " ", "a", "a b", "no", "Yes", "true", "null", "~", "1", "1.5", "0x1", "1e3", "12:30", "2020-01-01", "a: b",
    "a:", "a:b", "a #b", "#a", "- a",
    "*a", "&a", "!a", "%a", "@a", "`a", "'a'", "\"a\"", "a\nb", "a\n", "\t", "é", "{a}", "[a]", "<<", "=", ".inf", "-",
    "?", "azureml:a:1",
    "/tmp/x", "./x", "a ", "\u{2028}", "\u{85}", "\u{0}", "\u{7F}", "😀", "y", "\u{FEFF}a",
  ])
  func `every string is read back as itself, as a key and as a value`(string: String) throws {
    let document = Document.object([string: .string(string), "list": [.string(string)]])
    #expect(try SourceDocument(yaml: document.yaml()).root == document)
    #expect(try Document(json: document.json()) == document)
  }
}
