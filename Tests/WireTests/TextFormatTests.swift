import Inference
import Testing
import Wire

struct TextFormatTests {
  private func configuration(_ text: String) throws -> ModelConfiguration {
    try ModelConfig(text: text).configuration().configuration
  }

  @Test(arguments: [
    (#""a\tb\n\\\"\'\?""#, "a\tb\n\\\"'?"),
    (#"'it"s' "\x41\x6" "\101\60z""#, "it\"sA\u{6}A0z"),
    (##""\u00e9\U0001F99C #no comment""##, "é🦜 #no comment"),
    ("\"one\"  # a comment between\n  'two'", "onetwo"),
    ("\"\"", ""),
  ])
  func `strings may be escaped and joined`(literal: String, value: String) throws {
    #expect(try configuration("name: \(literal)").name == value)
  }

  @Test(arguments: [
    "max_batch_size: 8 backend: 'b'", "max_batch_size:8,backend:'b'", "max_batch_size : 010; backend : 'b';",
    "# c\nmax_batch_size: 0x8\r\n\tbackend: 'b' # end",
  ])
  func `separators and bases are a matter of taste`(text: String) throws {
    #expect(try configuration(text).maxBatchSize == 8)
    #expect(try configuration(text).backend == "b")
  }

  @Test(arguments: [
    "instance_group { count: 2 }", "instance_group: { count: 2 }", "instance_group < count: 2 >",
    "instance_group: < count: 2 >", "instance_group [ { count: 2 } ]", "instance_group: [ < count: 2 > ]",
  ])
  func `messages come in six dresses`(text: String) throws {
    #expect(try configuration(text).instanceGroups.map(\.count) == [2])
  }

  @Test(arguments: ["true", "True", "t", "1"])
  func `true has four spellings`(literal: String) throws {
    let text = "dynamic_batching { preserve_ordering: \(literal) }"
    #expect(try configuration(text).dynamicBatching?.preserveOrdering == true)
  }

  @Test(arguments: ["false", "False", "f", "0"])
  func `false has four spellings`(literal: String) throws {
    let text = "dynamic_batching { preserve_ordering: \(literal) }"
    #expect(try configuration(text).dynamicBatching?.preserveOrdering == false)
  }

  @Test(arguments: ["0.5", ".5", "5e-1", "+", "1f", "1.5F", "-inf", "nan", "7", "-infinity"])
  func `floats are read in every form`(literal: String) {
    let text = "sequence_batching { direct { minimum_slot_utilization: \(literal) } }"
    #expect((try? ModelConfig(text: text)) != nil || literal == "+")
  }

  @Test func `lists may be empty, and may be continued`() throws {
    let text = "input { name: 'x' data_type: TYPE_FP32 dims: [] dims: [1, 2] dims: 3 }"
    #expect(try configuration(text).inputs[0].shape == [1, 2, 3])
  }

  @Test(arguments: [
    ("nme: 'x'", "1:1: ModelConfig has no field 'nme'; did you mean 'name'?"),
    (
      "name: 'x'\n  instance_group { cuont: 2 }",
      "2:20: instance_group[0]: ModelInstanceGroup has no field 'cuont'; did you mean 'count'?"
    ),
    (
      "response_cache { zzzzzz: 1 }", "1:18: response_cache: ModelResponseCache has no field 'zzzzzz'; it has enable"
    ),
    (
      "response_cache: 5", "1:17: response_cache: expected '{', found '5'"
    ),
    (
      "input { name: 'x' }\ninput { data_type: TYPE_FP23 }",
      "2:20: input[1].data_type: 'TYPE_FP23' is not one of TYPE_INVALID, TYPE_BOOL, TYPE_UINT8, TYPE_UINT16, "
        + "TYPE_UINT32, TYPE_UINT64, TYPE_INT8, TYPE_INT16, TYPE_INT32, TYPE_INT64, TYPE_FP16, TYPE_FP32, TYPE_FP64, "
        + "TYPE_STRING, TYPE_BF16; did you mean 'TYPE_FP32'?"
    ),
    (
      "version_policy { all {} latest {} }", "1:25: version_policy.latest: excludes all, which is set too"
    ),
    ("name: 'a' name: 'b'", "1:11: name: is set twice"),
    ("name: [ 'a' ]", "1:9: name: has one value; a list is for repeated fields"),
    (
      "max_batch_size: 3000000000",
      "1:17: max_batch_size: expected a whole number from -2147483648 to 2147483647, found '3000000000'"
    ),
    (
      "max_batch_size: 1.5",
      "1:17: max_batch_size: expected a whole number from -2147483648 to 2147483647, found '1.5'"
    ),
    (
      "max_batch_size: 'a'",
      "1:17: max_batch_size: expected a whole number from -2147483648 to 2147483647, found a string"
    ),
    (
      "instance_group { rate_limiter { priority: -1 } }",
      "1:43: instance_group[0].rate_limiter.priority: expected a whole number from 0 to 4294967295, found '-'"
    ),
    ("name: \"\\xff\"", "1:7: name: expected a string of UTF-8 without NUL, found a string"),
    ("name: 'a\\000b'", "1:7: name: expected a string of UTF-8 without NUL, found a string"),
    ("name 'x'", "1:6: name: expected ':', found a string"),
    ("name: 'x", "1:7: this string does not end on its line"),
    ("name: '\\q'", "1:8: no such escape: '\\q'"),
    ("instance_group { count: 1", "1:26: instance_group[0]: expected a field or '}', found the end of the text"),
    ("instance_group { count: 1 >", "1:27: instance_group[0]: expected a field or '}', found '>'"),
    ("input { dims: [1 2] }", "1:18: input[0].dims: expected ',' or ']', found '2'"),
    ("name: @", "1:7: unexpected character '@'"),
    ("max_batch_size: 0x", "1:17: '0x' is not a number"),
    ("max_batch_size: 09", "1:17: '09' is not a number"),
    ("{", "1:1: expected a field, found '{'"),
    ("name:", "1:6: name: expected a string of UTF-8 without NUL, found the end of the text"),
  ])
  func `an error has its place, its path and its remedy`(text: String, message: String) {
    #expect(throws: InferenceError.invalidArgument(message)) { _ = try ModelConfig(text: text) }
  }

  @Test func `broken files are refused or read, never worse`() {
    let valid = Array(realisticConfig.utf8)
    var random = SeededGenerator(state: 7)
    for _ in 0..<2000 {
      var bytes = valid
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[index] = .random(in: 0...127, using: &random)
        case 1: bytes.remove(at: index)
        default: bytes.insert("{}<>[]:'\\-0x#".utf8.randomElement(using: &random)!, at: index)
        }
      }
      do {
        _ = try ModelConfig(text: String(decoding: bytes, as: UTF8.self))
      } catch {
        #expect(!"\(error)".isEmpty)
      }
    }
  }
}
