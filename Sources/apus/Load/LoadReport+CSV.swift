internal import Foundation
internal import LoadTesting

extension LoadReport {
  /// One row a window, under a row of names. Source of the form: RFC 4180.
  package var csv: String {
    var rows = [
      "step,load,start_s,seconds,answered,failed,throughput_per_second,mean_ms,p50_ms,p90_ms,p99_ms,p99.9_ms,max_ms,"
        + "send_lag_p99_ms,bytes_sent,bytes_received,client_cpus,server_cpu_us_per_request,server_resident_bytes"
    ]
    for (index, step) in steps.enumerated() {
      for window in step.windows {
        let times = [UInt64(window.mean), window.p50, window.p90, window.p99, window.p999, window.max, window.sendLagP99]
        var cells = ["\(index + 1)", "\"\(step.step.description)\""]
        cells += [String(format: "%.3f", window.startSeconds), String(format: "%.3f", window.seconds)]
        cells += ["\(window.answered)", "\(window.failed)", String(format: "%.1f", window.throughput)]
        cells += times.map { String(format: "%.3f", Double($0) / 1e6) }
        cells += ["\(window.bytesSent)", "\(window.bytesReceived)", String(format: "%.3f", window.clientCPUs)]
        cells.append(window.serverMicrosecondsPerRequest.map { String(format: "%.2f", $0) } ?? "")
        cells.append(window.serverResidentBytes.map { "\($0)" } ?? "")
        rows.append(cells.joined(separator: ","))
      }
    }
    return rows.map { $0 + "\r\n" }.joined()
  }
}
