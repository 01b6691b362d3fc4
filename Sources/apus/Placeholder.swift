import ApusServer
import Glibc
import Transport
import Telemetry

@main struct Program {
  static func main() async throws {
    var c = ServerConfiguration()
    c.modelRepositories = [CommandLine.arguments[1]]
    c.listenAddresses = [SocketAddress(CommandLine.arguments[2])!]
    if CommandLine.arguments.count > 3 { c.eventLoops = Int(CommandLine.arguments[3])! }
    let s = try Server(c, version: "0.1.0")
    try await s.start()
    while readLine() != nil {}
    await s.drainAndStop()
  }
}
