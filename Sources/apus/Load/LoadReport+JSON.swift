internal import Foundation
internal import LoadTesting

extension LoadReport {
  /// Told from other files, and from later forms of this one.
  package static let format = "apus-load/1"

  /// The whole report. Times are in milliseconds unless a name says otherwise.
  package var json: JSONValue {
    var object: [String: JSONValue] = [
      "format": .string(Self.format), "server": .object(["address": .string(address), "name": .string(server)]),
      "started": .string(ISO8601DateFormatter().string(from: started)),
      "client": .object([
        "version": .string(apusVersion), "threads": .int(Int64(threads)), "connections": .int(Int64(connections)),
        "streams": .int(Int64(streams)), "seed": .uint(seed),
      ]),
      "targets": .array(
        targets.map {
          .object([
            "name": .string($0.name), "method": .string($0.method), "weight": .double($0.weight),
            "inputs": .int(Int64($0.inputs)), "message_bytes_least": .int(Int64($0.leastBytes)),
            "message_bytes_most": .int(Int64($0.mostBytes)),
          ])
        }),
      "steps": .array(steps.map { $0.json(targets: targets.map(\.name)) }),
      "faults": .array(faults.map { .string($0) }),
    ]
    if let search {
      object["search"] = .object([
        "percentile": .double(search.percentile), "bound_ms": .double(Double(search.boundNanoseconds) / 1e6),
        "rate": search.rate.map { .double($0) } ?? .null, "outcome": .string("\(search.outcome)"),
      ])
    }
    return .object(object)
  }
}

private func milliseconds(_ nanoseconds: UInt64) -> JSONValue { .double(Double(nanoseconds) / 1e6) }

private func optional(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }

extension LatencyHistogram {
  fileprivate var json: JSONValue {
    .object([
      "mean": .double(mean / 1e6), "stddev": .double(standardDeviation / 1e6), "min": milliseconds(min),
      "p50": milliseconds(value(atPercentile: 50)), "p90": milliseconds(value(atPercentile: 90)),
      "p95": milliseconds(value(atPercentile: 95)), "p99": milliseconds(value(atPercentile: 99)),
      "p99.9": milliseconds(value(atPercentile: 99.9)), "p99.99": milliseconds(value(atPercentile: 99.99)),
      "max": milliseconds(max),
    ])
  }
}

extension LoadStep {
  fileprivate var json: JSONValue {
    switch self {
    case .concurrency(let count): .object(["kind": .string("concurrency"), "value": .int(Int64(count))])
    case .rate(let rate, let process):
      .object(["kind": .string("rate"), "value": .double(rate), "arrivals": .string("\(process)")])
    case .trace: .object(["kind": .string("trace")])
    }
  }
}

extension StepResult {
  fileprivate func json(targets names: [String]) -> JSONValue {
    var statuses: [String: JSONValue] = [:]
    for (code, count) in total.statuses.enumerated() where count > 0 {
      statuses[LoadReport.statusNames[code]] = .uint(count)
    }
    return .object([
      "load": step.json, "seconds": .double(seconds), "end": .string("\(end)"), "stable": .bool(isStable),
      "offered_per_second": optional(offered), "throughput_per_second": .double(throughput),
      "sent": .uint(total.sent), "not_sent": .uint(total.notSent), "answered": .uint(total.answered),
      "failed": .uint(total.failed), "statuses": .object(statuses), "failures": .array(failures.map { .string($0) }),
      "latency_ms": total.latency.json,
      "refusal_latency_ms": total.refusalLatency.count > 0 ? total.refusalLatency.json : .null, "send_lag_ms": total.sendLag.json,
      "waited_for_stream": .uint(total.waitedForStream), "bytes_sent": .uint(total.bytesSent),
      "bytes_received": .uint(total.bytesReceived), "connections_lost": .uint(total.connectionsLost),
      "checks": .object([
        "checked": .uint(total.checked), "mismatched": .uint(total.mismatched),
        "examples": .array(mismatches.map { .string($0) }),
      ]),
      "client": .object([
        "cpus": .double(clientCPUs), "busiest_thread": optional(busiestThread),
        "cpu_us_per_request": optional(throughput > 0 ? clientCPUs * 1e6 / throughput : nil),
      ]),
      "server_process": serverProcess, "server_models": .array(serverStatistics.map(\.json)),
      "targets": .array(
        zip(names, total.targets).map { name, latency in
          .object(["name": .string(name), "answered": .uint(latency.count), "latency_ms": latency.json])
        }),
      "warnings": .array(ClientLimits.warnings(self).map { .string($0) }),
      "distribution": .array(
        total.latency.distribution().map { .array([milliseconds($0.nanoseconds), .double($0.percentile)]) }),
      "windows": .array(windows.map(\.json)),
    ])
  }

  private var serverProcess: JSONValue {
    guard let serverCPUNanoseconds else { return .null }
    let requests = Double(max(total.answered + total.failed, 1))
    return .object([
      "cpu_seconds": .double(Double(serverCPUNanoseconds) / 1e9),
      "cpu_us_per_request": .double(Double(serverCPUNanoseconds) / 1000 / requests),
      "resident_bytes": serverResidentBytes.map { .uint($0) } ?? .null,
    ])
  }
}

extension ServerSplit {
  fileprivate var json: JSONValue {
    .object([
      "model": .string(model), "version": .string(version), "requests": .uint(requests), "failures": .uint(failures),
      "rows": .uint(rows), "batches": .uint(batches),
      "average_batch": batches > 0 ? .double(Double(rows) / Double(batches)) : .null,
      "request_ms": .double(request / 1e6), "queue_ms": .double(queue / 1e6),
      "compute_input_ms": .double(computeInput / 1e6), "compute_infer_ms": .double(computeInfer / 1e6),
      "compute_output_ms": .double(computeOutput / 1e6),
    ])
  }
}

extension WindowSample {
  fileprivate var json: JSONValue {
    .object([
      "start_s": .double(startSeconds), "seconds": .double(seconds), "answered": .uint(answered),
      "failed": .uint(failed), "throughput_per_second": .double(throughput), "mean_ms": .double(mean / 1e6),
      "p50_ms": milliseconds(p50), "p90_ms": milliseconds(p90), "p99_ms": milliseconds(p99),
      "p99.9_ms": milliseconds(p999), "max_ms": milliseconds(max), "send_lag_p99_ms": milliseconds(sendLagP99),
      "client_cpus": .double(clientCPUs), "server_cpu_us_per_request": optional(serverMicrosecondsPerRequest),
      "server_resident_bytes": serverResidentBytes.map { .uint($0) } ?? .null,
    ])
  }
}
