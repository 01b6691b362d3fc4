package import Control
package import GRPC
package import Gateway
package import ONNXBackend
package import Pools
package import Telemetry
package import Transport

/// Everything that `apus serve` can be told, with its defaults. docs/configuration.md lists it by flag.
package struct ServerConfiguration: Sendable {
  /// Directories of `<model>/<version>/<file>`.
  package var modelRepositories: [String] = []
  /// 8001 is where Triton's clients expect gRPC.
  package var listenAddresses: [SocketAddress] = [.tcp(host: "", port: 8001)]
  /// Threads that own sockets; 0: one a core.
  package var eventLoops = 0

  package var loadAtStart = ControlOptions.LoadAtStart.all
  /// Whether clients may load and unload models.
  package var allowsModelControl = true
  /// How often the repositories are looked at for changes; nil: never.
  package var pollInterval: Duration?
  package var modelLoadThreads = 4
  /// Most rows in a batch of a model whose configuration does not say.
  package var defaultMaxBatchSize = 8
  /// Whether every instance runs one row of zeros before its version serves.
  package var warmsUp = true
  /// Requests that all pools together may have in hand.
  package var maxRequestsInFlight = 100_000

  package var limits = ServerLimits()
  package var grpc = GRPCOptions()
  package var tls: TLSConfiguration?
  /// Where HTTP is answered, over TLS if gRPC is; empty: nowhere.
  package var httpAddresses: [SocketAddress] = []
  /// Threads that own HTTP's sockets.
  package var httpThreads = 1
  package var http = GatewayLimits()
  package var cors = CORSPolicy()
  package var pools = PoolLimits()
  package var onnx = ONNXOptions(log: { _, _ in })

  /// What running calls get after SIGTERM.
  package var drainGrace = Duration.seconds(30)
  package var logLevel = LogLevel.info
  package var logForm = LogOutput.Form.text

  package init() {}
}
