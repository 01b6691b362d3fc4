import Inference
import Testing
import Wire

struct JSONFormatTests {
  @Test func `both spellings of names and numbers are read`() throws {
    let json = #"""
      {
        "name": "résumé 🦜", "maxBatchSize": 8, "version_policy": {"specific": {"versions": ["1", 3]}},
        "input": [
          {"name": "x", "dataType": "TYPE_FP32", "dims": ["-1", 2e2]}, {"name": "y", "data_type": 13, "dims": [1.0]}
        ],
        "dynamicBatching": {"maxQueueDelayMicroseconds": "100", "preserve_ordering": true, "defaultQueuePolicy": null},
        "parameters": {"a": {"stringValue": "1"}, "b": {"string_value": "\"\\\/\b\f\n\r\t\u00e9\ud83e\udd9c"}},
        "instance_group": [{"kind": "KIND_CPU", "count": 2}], "optimization": {"graph": {"level": -1}}
      }
      """#
    let (configuration, unsupported) = try ModelConfig(json: json).configuration()
    #expect(unsupported.isEmpty)
    #expect(configuration.name == "résumé 🦜")
    #expect(configuration.maxBatchSize == 8)
    #expect(configuration.versionPolicy == .specific([1, 3]))
    #expect(
      configuration.inputs == [
        TensorMetadata(name: "x", datatype: .fp32, shape: [-1, 200]),
        TensorMetadata(name: "y", datatype: .bytes, shape: [1]),
      ])
    #expect(configuration.dynamicBatching?.maxQueueDelayMicroseconds == 100)
    #expect(configuration.dynamicBatching?.preserveOrdering == true)
    #expect(configuration.parameters == ["a": "1", "b": "\"\\/\u{8}\u{c}\n\r\té🦜"])
    #expect(configuration.instanceGroups.map(\.kind) == [.cpu])
    #expect(configuration.graphOptimizationLevel == -1)
  }

  @Test func `a map may have numbers for keys`() throws {
    let json = #"""
      {"dynamic_batching": {
        "priority_levels": 2, "default_priority_level": 1,
        "priorityQueuePolicy": {"2": {"maxQueueSize": 4, "timeout_action": "DELAY", "defaultTimeoutMicroseconds": "70"}}
      }}
      """#
    let (configuration, unsupported) = try ModelConfig(json: json).configuration()
    var policy = QueuePolicy()
    policy.maxQueueSize = 4
    policy.timeoutAction = .delay
    policy.defaultTimeoutMicroseconds = 70
    #expect(configuration.dynamicBatching?.priorityQueuePolicies == [2: policy])
    #expect(unsupported.isEmpty)
    #expect(
      throws: InferenceError.invalidArgument(
        "1:49: dynamic_batching.priority_queue_policy: expected a whole number from 0 to 18446744073709551615 "
          + "as a key, found 'x'")
    ) { _ = try ModelConfig(json: #"{"dynamic_batching": {"priority_queue_policy": {"x": {}}}}"#) }
  }

  @Test func `an empty object sets nothing`() throws {
    #expect(try ModelConfig(json: " {} ").configuration().configuration == ModelConfiguration(name: ""))
  }

  @Test(arguments: [
    (#"{"max_btach_size": 1}"#, "1:2: ModelConfig has no field 'max_btach_size'; did you mean 'max_batch_size'?"),
    (
      "{\"input\": [{\"name\": \"x\"},\n {\"nam\": 1}]}",
      "2:3: input[1]: ModelInput has no field 'nam'; did you mean 'name'?"
    ),
    (
      #"{"instance_group": [{"kind": "KIND_CPUS"}]}"#,
      "1:30: instance_group[0].kind: 'KIND_CPUS' is not one of KIND_AUTO, KIND_GPU, KIND_CPU, KIND_MODEL; did you mean "
        + "'KIND_CPU'?"
    ),
    (
      #"{"max_batch_size": "many"}"#,
      "1:20: max_batch_size: expected a whole number from -2147483648 to 2147483647, found '\"many\"'"
    ),
    (
      #"{"max_batch_size": 1.5}"#,
      "1:20: max_batch_size: expected a whole number from -2147483648 to 2147483647, found '1.5'"
    ),
    (#"{"name": "a", "name": "b"}"#, "1:15: name: is set twice"),
    (#"{"name": 5}"#, "1:10: name: expected a string of UTF-8 without NUL, found '5'"),
    (#"{"name": "\u0000"}"#, "1:10: name: expected a string of UTF-8 without NUL, found '\"\\u0000\"'"),
    (#"{"input": {}}"#, "1:11: input: expected '[', found '{'"),
    (#"{"response_cache": []}"#, "1:20: response_cache: expected '{', found '['"),
    (#"{"response_cache": {"enable": "yes"}}"#, "1:31: response_cache.enable: expected true or false, found '\"yes\"'"),
    (#"{"name": "a",}"#, "1:14: expected a name in quotes, found '}'"),
    (#"{"name": "a"} x"#, "1:15: 'x' is not JSON"),
    (#"{"name": "a"} {"#, "1:15: expected the end of the text, found '{'"),
    (#"{"name": "a"#, "1:10: this string does not end, or holds a control character"),
    (#"{"name": "\ud83e"}"#, "1:11: this \\u escape is not a character"),
    (#"{"name": 'a'}"#, "1:10: ''' is not JSON"),
    (#"{"name" "a"}"#, "1:9: expected ':', found '\"a\"'"),
    ("", "1:1: expected '{', found the end of the text"),
    ("[]", "1:1: expected '{', found '['"),
  ])
  func `an error has its place, its path and its remedy`(json: String, message: String) {
    #expect(throws: InferenceError.invalidArgument(message)) { _ = try ModelConfig(json: json) }
  }

  @Test func `broken JSON is refused or read, never worse`() {
    let valid = Array(
      #"{"name": "a\u00e9", "input": [{"dims": ["-1", 2e2]}], "parameters": {"a": {"stringValue": null}}}"#.utf8)
    var random = SeededGenerator(state: 11)
    for _ in 0..<3000 {
      var bytes = valid
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[index] = .random(in: 0...255, using: &random)
        case 1: bytes.remove(at: index)
        default: bytes.insert("{}[]:,\"\\-0eu".utf8.randomElement(using: &random)!, at: index)
        }
      }
      do {
        _ = try ModelConfig(json: String(decoding: bytes, as: UTF8.self))
      } catch {
        #expect(!"\(error)".isEmpty)
      }
    }
  }
}
