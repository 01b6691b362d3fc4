/// The way of the library's log lines to the server's log.
///
/// The library has one logger a process, set when its environment is made, and calls it on any thread. So the lines go
/// to the backend that opened the library.
final class LogForwarding: Sendable {
  private let sink: @Sendable (ONNXLogSeverity, String) -> Void

  init(to sink: @escaping @Sendable (ONNXLogSeverity, String) -> Void) { self.sink = sink }

  func forward(_ severity: ONNXLogSeverity, _ message: String) { sink(severity, message) }
}

/// `OrtLoggingFunction`. A free function: a closure could inherit an actor from where it is written, and trap on the
/// library's threads.
func forwardOrtLog(
  _ parameter: UnsafeMutableRawPointer?, _ severity: Int32, _ category: UnsafePointer<CChar>?,
  _ logId: UnsafePointer<CChar>?, _ codeLocation: UnsafePointer<CChar>?, _ message: UnsafePointer<CChar>?
) {
  guard let parameter, let message else { return }
  let text = String(cString: message)
  let model = logId.map { String(cString: $0) } ?? ""
  Unmanaged<LogForwarding>.fromOpaque(parameter).takeUnretainedValue()
    .forward(ONNXLogSeverity(rawValue: severity) ?? .error, model.isEmpty ? text : "\(model): \(text)")
}
