// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target. Warnings are errors, so that a local build and CI agree.
let common: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

/// A target that follows pointers into foreign memory: C sessions, wire bytes, tensors. The trusted base.
let trusted = common

/// A target that cannot: the compiler refuses an unsafe expression that is not spelled `unsafe`.
let strict = common + [.strictMemorySafety()]

let package = Package(
  name: "Apus",
  products: [
    .executable(name: "apus", targets: ["apus"]),
    .executable(name: "apus-interop-server", targets: ["InteropServer"]),
    .library(name: "ApusClient", targets: ["ApusClient"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
  ],
  targets: [
    // MARK: C
    // Module maps, shims and generated code; no logic. Each is imported by one Swift target.
    .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .systemLibrary(name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CLinux"),
    .target(name: "CONNXRuntime"),
    .target(name: "CProtos", dependencies: ["CProtobufC"]),

    // MARK: Words
    .target(name: "Inference", swiftSettings: trusted),
    .target(name: "Threads", dependencies: ["CLinux", "Inference"], swiftSettings: trusted),
    .target(
      name: "Telemetry", dependencies: [.product(name: "Logging", package: "swift-log")],
      swiftSettings: common),

    // MARK: Transport
    .target(name: "EventLoops", dependencies: ["CLinux", "Inference", "Threads"], swiftSettings: trusted),
    .target(name: "HTTP2", dependencies: ["CNghttp2", "Inference"], swiftSettings: trusted),
    .target(
      name: "Transport", dependencies: ["CLinux", "COpenSSL", "EventLoops", "HTTP2", "Inference", "Threads"],
      swiftSettings: trusted),

    // MARK: RPC
    .target(
      name: "GRPC", dependencies: ["CZlib", "EventLoops", "HTTP2", "Inference", "Threads", "Transport"],
      swiftSettings: trusted),
    .target(
      name: "GRPCClient", dependencies: ["EventLoops", "GRPC", "HTTP2", "Inference", "Transport"],
      swiftSettings: trusted),
    .target(name: "Wire", dependencies: ["CProtobufC", "CProtos", "Inference"], swiftSettings: trusted),

    // MARK: Serving
    .target(name: "Backends", dependencies: ["Inference"], swiftSettings: trusted),
    .target(
      name: "ONNXBackend", dependencies: ["Backends", "CONNXRuntime", "Inference", "Threads"],
      swiftSettings: trusted),
    .target(name: "Batching", dependencies: ["Inference"], swiftSettings: strict),
    .target(name: "Simulation", dependencies: ["Arrivals", "Batching", "Inference"], swiftSettings: strict),
    .target(
      name: "Pools", dependencies: ["Backends", "Batching", "Inference", "Threads"],
      swiftSettings: trusted),
    .target(name: "Routing", dependencies: ["Inference"], swiftSettings: trusted),
    .target(
      name: "Serving", dependencies: ["Access", "Inference", "Pools", "Routing", "Threads"],
      swiftSettings: trusted),

    // MARK: Control
    .target(name: "Documents", dependencies: ["Yams"], swiftSettings: common),
    .target(name: "Resources", dependencies: ["Documents"], swiftSettings: common),
    .target(name: "Stores", swiftSettings: common),
    .target(
      name: "SQLiteStore", dependencies: ["Stores", .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: common),
    .target(
      name: "Artifacts", dependencies: ["CLinux", "Threads", .product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: common),
    .target(
      name: "Access", dependencies: ["Inference", .product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: common),
    .target(
      name: "Tokens",
      dependencies: [
        "Access", "Inference", .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"), .product(name: "JWTKit", package: "jwt-kit"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
      ],
      swiftSettings: common),
    .target(name: "Scaling", dependencies: ["Inference"], swiftSettings: strict),
    .target(name: "Rollouts", dependencies: ["Inference"], swiftSettings: common),
    .target(
      name: "Control",
      dependencies: [
        "Access", "Artifacts", "Backends", "Batching", "Documents", "Inference", "Pools", "Resources", "Rollouts", "Routing",
        "Scaling", "Serving", "Simulation", "Stores", "Telemetry", "Threads", "Wire",
      ],
      swiftSettings: common),

    // MARK: Edge
    .target(
      name: "Services",
      dependencies: [
        "Access", "Backends", "CLinux", "Control", "Documents", "EventLoops", "GRPC", "HTTP2", "Inference", "Pools", "Serving",
        "Wire",
      ],
      swiftSettings: trusted),

    .target(
      name: "Gateway",
      dependencies: [
        "Access", "CLinux", "Control", "Documents", "EventLoops", "GRPC", "Inference", "Pools", "Routing", "Serving",
        "Telemetry", "Threads", "Transport", "Wire", .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HummingbirdHTTP2", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ],
      swiftSettings: trusted),

    // MARK: Programs
    .target(
      name: "ApusServer",
      dependencies: [
        "Access", "Artifacts", "Control", "EventLoops", "GRPC", "Gateway", "Inference", "ONNXBackend", "Pools", "SQLiteStore",
        "Scaling", "Serving", "Services", "Stores", "Telemetry", "Threads", "Tokens", "Transport",
      ],
      swiftSettings: common),
    .executableTarget(
      name: "apus",
      dependencies: [
        "ApusClient", "ApusServer", "Arrivals", "Artifacts", "Batching", "Control", "Documents", "GRPC", "Gateway", "HTTP2",
        "Inference", "LoadTesting", "ONNXBackend", "Pools", "Resources", "Scaling", "Simulation", "Stores", "Telemetry", "Threads", "Tokens", "Transport", "Yams",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ],
      swiftSettings: common),

    // MARK: Library
    .target(name: "Arrivals", swiftSettings: strict),
    .target(
      name: "ApusClient", dependencies: ["CLinux", "EventLoops", "GRPC", "GRPCClient", "HTTP2", "Inference", "Threads", "Transport", "Wire"],
      swiftSettings: trusted),
    .target(
      name: "LoadTesting",
      dependencies: [
        "Arrivals", "CLinux", "EventLoops", "GRPC", "GRPCClient", "HTTP2", "Inference", "Threads", "Transport", "Wire",
        .product(name: "Histogram", package: "hdrhistogram-swift"),
      ],
      swiftSettings: trusted),
    .executableTarget(
      name: "InteropServer",
      dependencies: ["EventLoops", "GRPC", "Inference", "Transport", "Wire"],
      swiftSettings: common),

    // MARK: Examples
    .executableTarget(
      name: "FileType",
      dependencies: ["ApusClient", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      path: "examples/FileType", swiftSettings: common),

    .executableTarget(
      name: "ClientGuide", dependencies: ["ApusClient"], path: "examples/ClientGuide", swiftSettings: common),
    .executableTarget(
      name: "Throughput",
      dependencies: ["ApusClient", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      path: "examples/Throughput", swiftSettings: common),

    // MARK: Tests
    .testTarget(name: "EventLoopsTests", dependencies: ["EventLoops", "Inference", "Threads"], swiftSettings: trusted),
    .testTarget(name: "HTTP2Tests", dependencies: ["HTTP2", "Inference"], swiftSettings: trusted),
    .testTarget(
      name: "TransportTests", dependencies: ["EventLoops", "HTTP2", "Inference", "Threads", "Transport"], swiftSettings: trusted),
    .target(
      name: "RawClient", dependencies: ["HTTP2", "Inference", "Transport"], path: "Tests/RawClient",
      swiftSettings: trusted),
    .testTarget(
      name: "GRPCTests", dependencies: ["EventLoops", "GRPC", "HTTP2", "Inference", "RawClient", "Threads", "Transport"],
      swiftSettings: trusted),
    .testTarget(
      name: "GRPCClientTests",
      dependencies: ["EventLoops", "GRPC", "GRPCClient", "HTTP2", "Inference", "Threads", "Transport"],
      swiftSettings: trusted),
    .testTarget(
      name: "ONNXBackendTests", dependencies: ["Backends", "Inference", "ONNXBackend"], swiftSettings: common),
    .testTarget(name: "TelemetryTests", dependencies: ["Telemetry"], swiftSettings: common),
    .testTarget(
      name: "AccessTests", dependencies: ["Access", "Inference"], swiftSettings: common),
    .testTarget(
      name: "TokensTests",
      dependencies: [
        "Access", "Inference", "Tokens", .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "CryptoExtras", package: "swift-crypto"), .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
      ],
      swiftSettings: common),
    .testTarget(name: "RoutingTests", dependencies: ["Inference", "Routing"], swiftSettings: trusted),
    .testTarget(
      name: "ApusClientTests",
      dependencies: ["ApusClient", "GRPC", "HTTP2", "Inference", "Threads", "Transport", "Wire"],
      swiftSettings: common),
    .testTarget(name: "InferenceTests", dependencies: ["Inference"], swiftSettings: common),
    .testTarget(name: "BatchingTests", dependencies: ["Batching", "Inference"], swiftSettings: common),
    .testTarget(
      name: "PoolsTests", dependencies: ["Backends", "Batching", "Inference", "Pools", "Threads"], swiftSettings: common),
    .target(
      name: "ScriptedBackend", dependencies: ["Backends", "Inference"], path: "Tests/ScriptedBackend",
      swiftSettings: trusted),
    .testTarget(
      name: "ServingTests",
      dependencies: ["Access", "Backends", "Inference", "Pools", "Routing", "ScriptedBackend", "Serving", "Threads"],
      swiftSettings: trusted),
    .testTarget(
      name: "ServicesTests",
      dependencies: [
        "Access", "Backends", "Control", "EventLoops", "GRPC", "Inference", "Pools", "RawClient", "Routing",
        "ScriptedBackend", "Services", "Serving", "Telemetry", "Threads", "Transport", "Wire",
      ],
      swiftSettings: trusted),
    .testTarget(
      name: "ControlTests",
      dependencies: [
        "Access", "Artifacts", "Backends", "CatalogueTesting", "Control", "CrashSubject", "CrashTesting", "Documents", "Inference",
        "Pools", "SQLiteStore", "Scaling", "ScriptedBackend", "Serving", "Simulation", "Stores", "Telemetry", "Threads", "Wire",
      ], swiftSettings: trusted),
    .testTarget(
      name: "apusTests",
      dependencies: [
        "ApusClient", "ApusServer", "Control", "Documents", "HTTP2", "LoadTesting", "Telemetry", "Transport", "apus",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: common),
    .testTarget(
      name: "LoadTestingTests", dependencies: ["Arrivals", "Inference", "LoadTesting", "Wire"], swiftSettings: common),
    .testTarget(
      name: "SimulationTests", dependencies: ["Arrivals", "Batching", "Inference", "Simulation"], swiftSettings: common),
    .testTarget(name: "FileTypeTests", dependencies: ["FileType"], swiftSettings: common),
    .testTarget(
      name: "GatewayTests",
      dependencies: [
        "Backends", "Gateway", "Inference", "Pools", "Routing", "ScriptedBackend", "Serving", "Telemetry", "Threads",
      ], swiftSettings: trusted),
    .testTarget(name: "DocumentsTests", dependencies: ["Documents"], swiftSettings: common),
    .testTarget(name: "ResourcesTests", dependencies: ["Documents", "Resources"], swiftSettings: common),
    .testTarget(name: "RolloutsTests", dependencies: ["Inference", "Rollouts"], swiftSettings: common),
    .testTarget(name: "ScalingTests", dependencies: ["Inference", "Scaling"], swiftSettings: common),
    .testTarget(name: "WireTests", dependencies: ["Inference", "Wire"], swiftSettings: common),
    .target(name: "CFaults", path: "Tests/CFaults"),
    .target(
      name: "CrashTesting", dependencies: ["Artifacts", "Stores", "Threads"], path: "Tests/CrashTesting", swiftSettings: common),
    .target(
      name: "CatalogueTesting",
      dependencies: [
        "Access", "Artifacts", "Control", "CrashTesting", "Documents", "Inference", "Pools", "SQLiteStore", "Scaling",
        "ScriptedBackend", "Serving", "Stores", "Telemetry", "Threads",
      ], path: "Tests/CatalogueTesting", swiftSettings: common),
    .executableTarget(
      name: "CrashSubject",
      dependencies: ["Artifacts", "CFaults", "CatalogueTesting", "Control", "CrashTesting", "Documents", "SQLiteStore", "Stores"],
      path: "Tests/CrashSubject", swiftSettings: common),
    .target(
      name: "CatalogStoreConformance", dependencies: ["Stores"], path: "Tests/CatalogStoreConformance",
      swiftSettings: common),
    .testTarget(name: "StoresTests", dependencies: ["CatalogStoreConformance", "Stores"], swiftSettings: common),
    .testTarget(
      name: "SQLiteStoreTests",
      dependencies: [
        "CatalogStoreConformance", "CrashSubject", "CrashTesting", "SQLiteStore", "Stores",
        .product(name: "GRDB", package: "GRDB.swift"),
      ], swiftSettings: common),
    .testTarget(
      name: "ArtifactsTests", dependencies: ["Artifacts", "CrashSubject", "CrashTesting"], swiftSettings: common),
  ]
)
