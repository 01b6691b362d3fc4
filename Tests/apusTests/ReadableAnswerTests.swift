import ApusClient
import Testing
import apus

@Suite struct ReadableAnswerTests {
  @Test func `outputs are shown by name, datatype, shape and values`() {
    let outputs = [
      Tensor(name: "y", [1, 2.5, 3, 4] as [Float], shape: [2, 2]), Tensor(name: "s", ["a", "b\"c"]),
      Tensor(name: "n", [7] as [Int64], shape: []),
    ]
    let answer = InferResponse(model: "m", version: "3", id: "q", outputs: outputs)
    #expect(
      answer.readable() == """
        model m, version 3, id q
        y  FP32 [2, 2]
          [[1.0, 2.5], [3.0, 4.0]]
        s  BYTES [2]
          ["a", "b\\"c"]
        n  INT64 []
          7
        """)
  }

  @Test func `a long list is cut in the middle, with the count of what is left out`() {
    let long = Tensor(name: "y", Array(0..<100) as [Int32])
    let text = InferResponse(model: "m", version: "1", id: "", outputs: [long]).readable(most: 4)
    #expect(text.hasSuffix("  [0, 1, … 96 more …, 98, 99]"))
    let rows = Tensor(name: "y", Array(0..<12) as [Int32], shape: [6, 2])
    let cut = InferResponse(model: "m", version: "1", id: "", outputs: [rows]).readable(most: 4)
    #expect(cut.hasSuffix("  [[0, 1], … 4 more …, [10, 11]]"))
  }

  @Test func `columns are as wide as their widest cell`() {
    var table = TextTable(["NAME", "STATE", "REASON"])
    table.append(["a", "READY", ""])
    table.append(["longer", "UNAVAILABLE", "it broke"])
    #expect(
      table.text == """
        NAME    STATE        REASON
        a       READY
        longer  UNAVAILABLE  it broke
        """)
  }

  @Test func `statistics are means over requests`() {
    var model = ModelStatistics(name: "m", version: "1")
    model.success = .init(count: 4, nanoseconds: 8_000_000)
    model.queue = .init(count: 4, nanoseconds: 2_000_000)
    model.computeInfer = .init(count: 4, nanoseconds: 6_000_000)
    model.inferenceCount = 4
    model.executionCount = 2
    #expect(
      ServerStatus.table([model, ModelStatistics(name: "idle", version: "2")]) == """
        MODEL  VERSION  REQUESTS  FAILED  ROWS  AVERAGE BATCH  QUEUE     COMPUTE
        m      1        4         0       4     2.00           0.500 ms  1.500 ms
        idle   2        0         0       0     -              -         -
        """)
  }
}
