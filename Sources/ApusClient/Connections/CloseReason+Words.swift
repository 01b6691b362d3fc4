internal import EventLoops
internal import Glibc
internal import Transport

extension ClientError {
  /// What a failed attempt to connect means to a person.
  init(connecting reason: CloseReason, to address: String) {
    var text = "can't connect to \(address): \(reason)"
    if case .system(let error) = reason {
      let words = String(cString: strerror(error.number))
      text =
        switch error.number {
        case ECONNREFUSED, ENOENT:
          "nothing listens on \(address): \(words). Is the server running? Start it with `apus serve`"
        default: "can't connect to \(address): \(words)"
        }
    }
    self.init(.connection, .unavailable, text, mayHaveRun: false)
  }

  init(lost reason: CloseReason, to address: String) {
    self.init(.connection, .unavailable, "the connection to \(address) is lost: \(reason)", mayHaveRun: false)
  }
}
