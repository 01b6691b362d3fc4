import Glibc
import GRPC
import Transport

/// `apus-interop-server [ADDRESS [CERTIFICATE KEY]]`: gRPC's TestService on the server's own stack, for any gRPC
/// implementation's interoperability client.
@main struct InteropServer {
  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    guard let address = SocketAddress(arguments.first ?? "127.0.0.1:10000"), arguments.count != 2 else {
      return fail("usage: apus-interop-server [ADDRESS [CERTIFICATE KEY]]; ADDRESS is HOST:PORT or unix:PATH")
    }
    var configuration = GRPCServer.Configuration(addresses: [address], loopCount: 1)
    if arguments.count > 2 { configuration.tls = TLSConfiguration(certificateFile: arguments[1], keyFile: arguments[2]) }
    do {
      let server = try GRPCServer(configuration) { TestService.methods($0) }
      try server.start()
      print("listening on \(server.addresses.map(\.description).joined(separator: ", "))")
      fflush(nil)  // a pipe is buffered whole, and whoever started this waits for the line
      // Ends with its standard input, so that a test which dies does not leave it behind.
      while readLine() != nil {}
      server.drain(grace: .seconds(1))
      server.stop()
    } catch {
      fail("\(error)")
    }
  }

  private static func fail(_ message: String) {
    print("apus-interop-server: \(message)")
    exit(1)
  }
}
