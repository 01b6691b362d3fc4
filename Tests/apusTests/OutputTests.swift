import Documents
import Testing
import apus

@Suite struct OutputTests {
  private let endpoints: Document = [
    ["name": "churn", "traffic": ["green": 10, "blue": 90], "tags": [:], "auth_mode": "key", "on": true],
    ["name": "fraud\tx", "traffic": [:], "auth_mode": .null, "list": [1, 2]],
  ]

  @Test func `JSON is indented and its keys are in order, so that the same answer is the same text`() {
    let text = OutputForm.json.text(of: ["b": 1, "a": ["d": 2, "c": 3]])
    #expect(text == "{\n  \"a\": {\n    \"c\": 3,\n    \"d\": 2\n  },\n  \"b\": 1\n}")
  }

  @Test func `lines for shells have the same number of values, whatever those hold`() {
    #expect(OutputForm.tsv.text(of: endpoints) == "key\tchurn\ttrue\t\t\n\t2\tfraud x\t")
    #expect(OutputForm.tsv.text(of: ["churn", 7, .null, true, 2.5]) == "churn\n7\n\ntrue\n2.5")
    #expect(OutputForm.tsv.text(of: [["a", 1], ["b", .null]]) == "a\t1\nb\t")
    #expect(OutputForm.tsv.text(of: "churn") == "churn")
    #expect(OutputForm.tsv.text(of: []) == nil)
    #expect(OutputForm.tsv.text(of: .null) == nil)
  }

  @Test func `a table of resources has the columns of their kind`() {
    let columns = [TableColumn("name", "name"), TableColumn("traffic", "traffic"), TableColumn("no", "gone.far")]
    let lines = OutputForm.table.text(of: endpoints, columns: columns)?.split(separator: "\n").map(String.init)
    #expect(lines == ["NAME     TRAFFIC           NO", "churn    blue=90 green=10", "fraud x"])
  }

  @Test func `a table of what a query made has that one's keys, in its order`() {
    let lines = OutputForm.table.text(of: [["z": 1, "a": "x", "deep": ["b": 1]], ["a": "y"]])
    #expect(lines == "Z  A\n1  x\n   y")
    #expect(OutputForm.table.text(of: [["a", 1], ["b", 2]]) == "COLUMN1  COLUMN2\na        1\nb        2")
    #expect(OutputForm.table.text(of: ["a", "b"]) == "RESULT\na\nb")
    #expect(OutputForm.table.text(of: 7) == "RESULT\n7")
    #expect(OutputForm.table.text(of: .null) == nil)
  }

  @Test func `none is none`() { #expect(OutputForm.none.text(of: endpoints) == nil) }

  @Test func `colours stand around values and say nothing else`() throws {
    let text = try #require(OutputForm.jsonc.text(of: endpoints))
    let plain = text.replacing(/\u{1B}\[3\d?m/, with: "").replacing(/\u{1B}\[39m/, with: "")
    #expect(try Document(json: plain) == endpoints)
    #expect(plain == OutputForm.json.text(of: endpoints))
  }

  @Test(arguments: [
    (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB"), (5_368_709_120, "5.0 GiB"),
    (3_298_534_883_328, "3.0 TiB"), (1 << 60, "1048576.0 TiB"),
  ] as [(Int64, String)])
  func `sizes are told in the unit that suits them`(_ bytes: Int64, _ text: String) {
    #expect(ByteText.size(bytes) == text)
  }

  @Test func `times that are left are told in whole parts`() {
    #expect(ByteText.time(0.2) == "1 s")
    #expect(ByteText.time(61) == "1 min 1 s")
    #expect(ByteText.time(7260) == "2 h 1 min")
  }
}
