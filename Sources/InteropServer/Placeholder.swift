import GRPC
import Transport

@main struct Program {
  static func main() throws {
    let server = try GRPCServer(.init(addresses: [.tcp(host: "127.0.0.1", port: 9009)], loopCount: 1)) { loop in
      var table = MethodTable()
      table.add("test.Echo", "Echo", FunctionMethod { bytes throws(GRPCStatus) in Array(bytes) })
      return table
    }
    try server.start()
    print("listening", server.addresses)
    while true { _ = readLine(); }
  }
}
