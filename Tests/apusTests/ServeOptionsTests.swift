import ApusServer
import ArgumentParser
import Control
import Foundation
import HTTP2
import Telemetry
import Testing
import Transport
import apus

@Suite struct ServeOptionsTests {
  private func configuration(_ arguments: String...) throws -> ServerConfiguration {
    try ServeOptions.configuration(from: [try ServeOptions.parse(["--model-repository", "models"] + arguments)])
  }

  private func message(_ body: () throws -> Void) -> String {
    do { try body() } catch { return "\(error)" }
    return ""
  }

  @Test func `every option is known to the file by the name that the help gives it`() {
    let help = ServeOptions.helpMessage(columns: 200)
    let found = help.matches(of: /--([a-z-]+)/).map { String($0.output.1) }.filter { $0 != "help" && $0 != "config" }
    let flags = ServeOptions.names.filter { $0.kind == .flag }.map(\.name)
    let documented = Set(found.map { $0.hasPrefix("no-") ? String($0.dropFirst(3)) : $0 })
    #expect(documented == Set(ServeOptions.names.map(\.name)))
    for flag in flags { #expect(found.contains("no-\(flag)")) }
    #expect(ServeOptions.names.count == documented.count)
  }

  @Test func `what is not given is as the server has it`() throws {
    let plain = try configuration()
    #expect(plain.listenAddresses == [.tcp(host: "", port: 8001)])
    #expect(plain.drainGrace == .seconds(30))
    #expect(plain.limits.maxMessageBytes == 256 << 20)
    #expect(plain.tls == nil)
  }

  @Test func `the same names say the same in flags, file and environment`() throws {
    let flags = try ServeOptions.parse([
      "--model-repository", "a", "--model-repository", "b", "--max-message-bytes", "64MiB", "--idle-timeout", "2m",
      "--no-model-control", "--log-level", "debug", "--load-model", "magika",
    ])
    let file = try ServeOptions.read(
      yaml: """
        model-repository: [a, b]
        max-message-bytes: 64MiB
        idle-timeout: 2m
        model-control: false
        log-level: debug
        load-model: magika
        """, file: "apus.yaml")
    let environment = try ServeOptions.read(environment: [
      "APUS_MODEL_REPOSITORY": "a,b", "APUS_MAX_MESSAGE_BYTES": "64MiB", "APUS_IDLE_TIMEOUT": "2m",
      "APUS_MODEL_CONTROL": "false", "APUS_LOG_LEVEL": "debug", "APUS_LOAD_MODEL": "magika", "APUS_SERVER": "x:1",
    ])
    for source in [flags, file, environment] {
      let made = try ServeOptions.configuration(from: [source])
      #expect(made.modelRepositories == ["a", "b"])
      #expect(made.limits.maxMessageBytes == 64 << 20)
      #expect(made.limits.idleTimeout == .seconds(120))
      #expect(made.allowsModelControl == false)
      #expect(made.logLevel == .debug)
      #expect(made.loadAtStart == .named(["magika"]))
    }
  }

  @Test func `a later source overrides an earlier one, option by option`() throws {
    let file = try ServeOptions.read(
      yaml: "model-repository: old\ndrain-grace: 1s\ntls-key: k\nmodel-control: false", file: "apus.yaml")
    let flags = try ServeOptions.parse(["--model-repository", "new", "--tls-certificate", "c", "--model-control"])
    let made = try ServeOptions.configuration(from: [file, flags])
    #expect(made.modelRepositories == ["new"])
    #expect(made.drainGrace == .seconds(1))
    #expect(made.tls == TLSConfiguration(certificateFile: "c", keyFile: "k"))
    #expect(made.allowsModelControl == true)
  }

  @Test func `an unknown key is named, with the nearest that exists`() {
    #expect(
      message { _ = try ServeOptions.read(yaml: "max-mesage-bytes: 1", file: "apus.yaml") }
        == "apus.yaml: there is no option 'max-mesage-bytes'; did you mean 'max-message-bytes'?")
    #expect(
      message { _ = try ServeOptions.read(yaml: "colour: red", file: "apus.yaml") }
        == "apus.yaml: there is no option 'colour'; apus serve --help has them all")
  }

  @Test func `a bad value is laid at its option's door`() {
    #expect(
      message { _ = try ServeOptions.read(yaml: "log-level: info\nidle-timeout: 10 parsecs", file: "apus.yaml") }
        == "apus.yaml: idle-timeout: found '10 parsecs'; expected a time with its unit: 50us, 500ms, 10s, 2m or 1h")
    #expect(
      message { _ = try ServeOptions.read(environment: ["APUS_MEMORY_BYTES": "1MB"]) }
        == "APUS_MEMORY_BYTES: found '1MB'; expected bytes, or a size with its unit: 4096, 64KiB, 64MiB or 2GiB")
    #expect(
      message { _ = try ServeOptions.read(yaml: "log-level: 1", file: "apus.yaml") }
        == "apus.yaml: log-level: '1' is not a value that --log-level takes; see apus serve --help")
    #expect(
      message { _ = try ServeOptions.read(yaml: "model-control: maybe", file: "apus.yaml") }
        == "apus.yaml: model-control: expected true or false, found 'maybe'")
    #expect(
      message { _ = try configuration("--stream-window-bytes", "1KiB") }
        == "--stream-window-bytes is 1024; expected 65535 to 2147483647")
  }

  @Test func `half of a TLS configuration names the other half`() {
    #expect(
      message { _ = try configuration("--tls-key", "k") }
        == "--tls-key needs --tls-certificate, the certificate that it belongs to")
    #expect(
      message { _ = try configuration("--tls-certificate", "c") }
        == "--tls-certificate needs --tls-key, the key that belongs to it")
    #expect(
      message {
        _ = try configuration("--tls-certificate", "c", "--tls-key", "k", "--tls-require-client-certificate")
      } == "--tls-require-client-certificate needs --tls-client-ca, the roots to check them against")
  }

  @Test func `shared memory beside endpoints needs an address that only the operator's network reaches`() throws {
    #expect(try !configuration().allowsSharedMemory)
    #expect(try configuration("--shared-memory").allowsSharedMemory)
    #expect(
      message { _ = try configuration("--shared-memory", "--data", "d") }
        == "--shared-memory with --data is for those who come by --private-listen or --private-http-listen: give one of them")
    for address in ["--private-listen", "--private-http-listen"] {
      #expect(try configuration("--shared-memory", "--data", "d", address, "127.0.0.1:1").allowsSharedMemory)
    }
    #expect(try configuration("--shared-memory", "--data", "d", "--private").allowsSharedMemory)
  }

  @Test func `without a repository or a data directory there is nothing to serve`() {
    #expect(
      message { _ = try ServeOptions.configuration(from: []) }
        == "there is nothing to serve: give --model-repository DIR, or --data DIR after `apus init`")
  }
}

@Suite struct QuantityTests {
  @Test func `times have a unit`() {
    #expect(TimeSpan(argument: "500ms")?.duration == .milliseconds(500))
    #expect(TimeSpan(argument: "10s")?.duration == .seconds(10))
    #expect(TimeSpan(argument: "2m")?.duration == .seconds(120))
    #expect(TimeSpan(argument: "1h")?.duration == .seconds(3600))
    #expect(TimeSpan(argument: "0")?.duration == .zero)
    for text in ["10", "", "s", "-1s", "1.5s", "1d", "9223372036854775807h", "١s"] {
      #expect(TimeSpan(argument: text) == nil)
    }
  }

  @Test func `sizes are bytes, or have a binary unit`() {
    #expect(ByteCount(argument: "4096")?.bytes == 4096)
    #expect(ByteCount(argument: "64KiB")?.bytes == 65536)
    #expect(ByteCount(argument: "64MiB")?.bytes == 64 << 20)
    #expect(ByteCount(argument: "2GiB")?.bytes == 2 << 30)
    for text in ["", "MiB", "64MB", "-1", "9999999999999GiB", "1.5GiB"] { #expect(ByteCount(argument: text) == nil) }
  }

  @Test func `distance counts the letters that differ`() {
    #expect(editDistance("kitten", "sitting") == 3)
    #expect(editDistance("", "abc") == 3)
    #expect(editDistance("same", "same") == 0)
  }
}
