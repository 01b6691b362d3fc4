import GRPC
import RawClient
import Telemetry
import Testing
import Wire

private let path = "/inference.GRPCInferenceService/LogSettings"

@Test func `log settings are changed and read over gRPC`() async throws {
  let world = try EndpointWorld()
  let client = try world.connect()
  var expected: [String: LogSettingValue] = [
    "log_file": .string(""), "log_info": .bool(true), "log_warning": .bool(true), "log_error": .bool(true),
    "log_verbose_level": .uint32(0), "log_format": .string("ISO8601"),
  ]
  let read = try await client.call(path, [LogSettingsRequest().encoded()])
  #expect(try LogSettingsResponse(decoding: read.messages[0]).settings == expected)

  let request = LogSettingsRequest(settings: ["log_info": .bool(false), "log_verbose_level": .uint32(1)])
  expected.merge(request.settings) { _, new in new }
  let changed = try await client.call(path, [request.encoded()])
  #expect(changed.status == 0)
  #expect(try LogSettingsResponse(decoding: changed.messages[0]).settings == expected)
  #expect(world.log.isEnabled(.debug) && !world.log.isEnabled(.info))

  let wrong = try await client.call(path, [LogSettingsRequest(settings: ["log_file": .string("x")]).encoded()])
  #expect(wrong.status == GRPCStatus.Code.unimplemented.rawValue)
  #expect(wrong.message.hasPrefix("log_file is 'x'"))
  await world.end()
}

@Test func `where models can't be changed over gRPC, neither can log settings`() async throws {
  let world = try EndpointWorld(admitsChanges: false)
  let client = try world.connect()
  let refused = try await client.call(path, [LogSettingsRequest(settings: ["log_info": .bool(false)]).encoded()])
  #expect(refused.status == GRPCStatus.Code.unavailable.rawValue)
  let read = try await client.call(path, [LogSettingsRequest().encoded()])
  #expect(try LogSettingsResponse(decoding: read.messages[0]).settings["log_info"] == .bool(true))
  await world.end()
}
