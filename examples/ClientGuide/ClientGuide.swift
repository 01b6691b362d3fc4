/// The code of the client library's articles (`Sources/ApusClient/ApusClient.docc`), so that it is compiled. A test
/// compares the two. Nothing here is meant to be run.
@main enum ClientGuide {
  static func main() { print("The articles are in Sources/ApusClient/ApusClient.docc.") }
}
