import Documents
import Testing

private func refusal(_ json: String) -> String {
  do throws(DocumentError) { return "read as \(try Document(json: json).json())" } catch { return error.description }
}

@Suite struct JSONTests {
  @Test(arguments: [
    "null", "true", "-9223372036854775808", "9223372036854775807", "1.5", "1e+300", "[]", "{}",
    #"{"b":1,"a":[true,null,{"c":"d"}]}"#,
    #""\"\\\n\u0001é😀""#, "[[[[0.1]]]]",
  ])
  func `what is read and written is the same text`(json: String) throws {
    #expect(try Document(json: json).json() == json)
    #expect(try Document(json: Document(json: json).json(pretty: true)) == Document(json: json))
  }

  @Test func `pretty JSON has two spaces a level`() throws {
    #expect(
      try Document(json: #"{"a":[1,{}],"b":{"c":null}}"#).json(pretty: true) == """
        {
          "a": [
            1,
            {}
          ],
          "b": {
            "c": null
          }
        }
        """)
  }

  @Test func `escapes and surrogate pairs are characters`() throws {
    #expect(try Document(json: #""\u0041\ud83d\ude00\/\b""#) == .string("A😀/\u{8}"))
  }

  @Test(arguments: [
    ("", "line 1, column 1: not JSON: expected a value, got the end"),
    ("{\"a\":1,\n \"a\":2}", "line 2, column 2: not JSON: the key 'a' is given twice"),
    ("{\"a\" 1}", "expected ':', got '1}'"), ("[1,]", "expected a value, got ']'"), ("[1 2]", "expected ',' or ']'"),
    ("01", "starts with 0"),
    ("1.", "expected a digit"), ("1e999", "beyond the numbers of 64 bits"), ("\"a", "a string has no end"),
    ("\"\\x\"", "an escape that JSON"),
    ("\"\\ud800\"", "half a surrogate pair"), ("\"\\ud800\\u0041\"", "half a surrogate pair"),
    ("\"\n\"", "control character"), ("{a:1}", "a key in double quotes"),
    ("nul", "expected a value"), ("{} x", "expected the end, got 'x'"), ("\"\\u12G4\"", "four hexadecimal"),
    ("\"\\u+123\"", "four hexadecimal"),
    ("\"é\" x", "column 5"),
  ])
  func `what is not JSON says what and where`(json: String, expected: String) {
    #expect(refusal(json).contains(expected), "\(refusal(json))")
  }

  @Test func `the limits have names`() {
    #expect(refusal(String(repeating: "[", count: 100_000)).contains("maxDepth, which is 64"))
    #expect(refusal(String(repeating: "{\"a\":", count: 100_000)).contains("maxDepth, which is 64"))
    #expect(refusal("[" + String(repeating: "1,", count: 200_000)).contains("maxValues, which is 100000"))
    #expect(refusal("\"" + String(repeating: "x", count: 10 << 20)).contains("maxBytes, which is 1048576"))
    #expect(throws: DocumentError("not UTF-8", line: 1)) { try Document(json: [0x22, 0xC3, 0x22]) }
  }

  /// Cuts and byte changes of a text with everything in it: read or refused, never a trap.
  @Test func `damaged JSON and YAML are read or refused`() {
    let text = Array(
      #"{"a": [1, -2.5e3, "x\u0041\n\ud83d\ude00", true, null], "b": {"c": [], "<<": &x {}, "d": *x}, e: !!str 1}"#.utf8
    )
    var state: UInt64 = 1
    func draw(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for _ in 0..<4000 {
      var damaged = Array(text.prefix(draw(text.count + 1)))
      for _ in 0..<draw(4) where !damaged.isEmpty { damaged[draw(damaged.count)] = UInt8(draw(256)) }
      _ = try? Document(json: damaged)
      _ = try? SourceDocument(yaml: damaged)
    }
  }
}
