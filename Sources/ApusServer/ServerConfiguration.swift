package import Control
package import GRPC
package import Gateway
package import ONNXBackend
package import Pools
package import Scaling
package import Serving
package import Telemetry
package import Tokens
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
  /// Whether clients may load and unload models of the repositories, and who they are is not asked; nil: only where there is
  /// no data directory, or the server is private.
  package var allowsModelControl: Bool?
  /// How often the repositories are looked at for changes; nil: never.
  package var pollInterval: Duration?
  package var modelLoadThreads = 4
  /// Most rows in a batch of a model whose configuration does not say.
  package var defaultMaxBatchSize = 8
  /// Whether every instance runs one row of zeros before its version serves.
  package var warmsUp = true
  /// Whether the server sets when batches leave, for models whose configuration leaves it to it.
  package var tunesBatches = true
  /// Requests that all pools together may have in hand.
  package var maxRequestsInFlight = 100_000
  /// What answers may take that are kept for identical requests, of models that ask for it; 0: none are kept.
  package var responseCacheBytes = 0

  /// Where endpoints are kept; nil: only the models of repositories are served.
  package var dataDirectory: String?
  /// A private server on this machine: whoever reaches it is its owner, and its endpoints ask for no credential.
  package var isPrivate = false
  /// The name of its one workspace in addresses.
  package var workspace = "default"
  /// Where HTTP serves the data plane to everybody who reaches it, to the operator's network, and the control plane.
  package var httpAddresses: [SocketAddress] = []
  package var privateHTTPAddresses: [SocketAddress] = []
  package var controlAddresses: [SocketAddress] = []
  /// Where gRPC serves endpoints without public network access too.
  package var privateAddresses: [SocketAddress] = []
  /// Where gRPC serves the control plane too.
  package var grpcControlAddresses: [SocketAddress] = []
  /// Whether tensors may lie in shared memory that clients register; where endpoints are kept, those only that come by a
  /// private address.
  package var allowsSharedMemory = false
  /// What scoring addresses begin with; nil: what the caller of the control plane has reached.
  package var scoringAddress: String?
  package var gateway = GatewayLimits()
  package var cors = CORSPolicy()
  package var tokens = TokenIssuer.Configuration(issuer: "apus")
  package var openIDIssuers: [OpenIDConfiguration] = []
  package var mirror = MirrorLimits()
  /// What instances may use together; nil: all of this machine.
  package var machine: ComputeResources?
  /// What models may use of memory before those that load on demand leave it; nil: no limit.
  package var modelMemoryBytes: UInt64?
  package var instanceTypes: [ComputeCatalogue.InstanceType] = []
  package var unknownInstanceTypes = ComputeCatalogue.UnknownTypes.useDefault

  package var limits = ServerLimits()
  package var grpc = GRPCOptions()
  package var tls: TLSConfiguration?
  package var pools = PoolLimits()
  package var onnx = ONNXOptions(log: { _, _ in })

  /// What running calls get after SIGTERM.
  package var drainGrace = Duration.seconds(30)
  package var logLevel = LogLevel.info
  package var logForm = LogOutput.Form.text

  package init() {}
}
