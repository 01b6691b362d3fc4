import Testing
import Transport

@Test(arguments: [
  ("localhost:8001", SocketAddress.tcp(host: "localhost", port: 8001)),
  ("127.0.0.1:0", .tcp(host: "127.0.0.1", port: 0)),
  (":65535", .tcp(host: "", port: 65535)),
  ("[::1]:80", .tcp(host: "::1", port: 80)),
  ("[::]:80", .tcp(host: "::", port: 80)),
  ("unix:/run/apus.sock", .unix(path: "/run/apus.sock")),
  ("unix:a:1", .unix(path: "a:1")),
])
func `an address is a host and port, or a path, and prints as it was written`(text: String, address: SocketAddress) {
  #expect(SocketAddress(text) == address)
  #expect(address.description == text)
}

@Test(arguments: ["", "localhost", "localhost:", "localhost:x", ":65536", ":-1", "::1:80", "unix:", "a:b:1", "host: 80"])
func `anything else is refused`(text: String) {
  #expect(SocketAddress(text) == nil)
}
