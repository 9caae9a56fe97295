// swift-tools-version: 6.3
import PackageDescription

// Set in CI: a warning in the project's own code fails the build. Left off for users, whose
// newer compiler may have warnings that ours lacks.
let warningsAreErrors = Context.environment["LIFELINE_WARNINGS_AS_ERRORS"] != nil

let settings: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ] + (warningsAreErrors ? [.treatAllWarnings(as: .error)] : [])

// ThreadSanitizer does not see `Synchronization.Mutex` on Linux; builds for it take another lock.
let lockSettings: [SwiftSetting] =
    Context.environment["LIFELINE_SANITIZE"] == "thread" ? [.define("LIFELINE_PTHREAD_LOCKS")] : []

let package = Package(
    name: "lifeline",
    platforms: [.macOS(.v15), .iOS(.v18), .tvOS(.v18), .watchOS(.v11), .visionOS(.v2)],
    products: [
        .library(name: "Lifeline", targets: ["Lifeline"]),
        .library(name: "LifelineCore", targets: ["LifelineCore"]),
        .library(name: "LifelineTrace", targets: ["LifelineTrace"]),
        .library(name: "LifelineTesting", targets: ["LifelineTesting"]),
        .executable(name: "lifeline", targets: ["LifelineCLI"]),
        // Only for the package in Fuzzing/.
        .library(name: "_LifelineRelay", targets: ["LifelineRelay"]),
    ],
    traits: [
        .trait(name: "TLS", description: "TLS connections (wss://), using swift-nio-ssl."),
        .default(enabledTraits: ["TLS"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.5.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.92.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.34.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.8.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift.git", .upToNextMinor(from: "0.2.0")),
    ],
    targets: [
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
        .target(
            name: "LifelineCore",
            dependencies: ["CZlib", .product(name: "HTTPTypes", package: "swift-http-types")],
            swiftSettings: settings
        ),
        .target(name: "LifelineLocks", swiftSettings: settings + lockSettings),
        // Declarations only: system calls that Swift cannot see.
        .target(name: "CLifelineLinux"),
        .target(
            name: "Lifeline",
            dependencies: [
                "LifelineCore",
                "LifelineLocks",
                .target(name: "CLifelineLinux", condition: .when(platforms: [.linux])),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl", condition: .when(traits: ["TLS"])),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            // Borrowed spans as properties. SwiftNIO and swift-collections build on the same flag.
            swiftSettings: settings + [.enableExperimentalFeature("Lifetimes")]
        ),
        // Relays bytes between a client and a server, and injects faults; the implementation of `lifeline proxy`.
        .target(
            name: "LifelineRelay",
            dependencies: [
                "Lifeline",
                "LifelineCore",
                "LifelineLocks",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOTLS", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        // Recordings and drawings of connections. It also uses package declarations of Lifeline and LifelineCore.
        .target(
            name: "LifelineTrace",
            dependencies: ["Lifeline", "LifelineLocks"],
            resources: [
                .embedInCode("Page/Files/index.html"), .embedInCode("Page/Files/style.css"),
                .embedInCode("Page/Files/app.js"), .embedInCode("Page/Files/connections.js"),
                .embedInCode("Page/Files/diagram.js"), .embedInCode("Page/Files/inspector.js"),
                .embedInCode("Page/Files/attempt.js"),
            ],
            swiftSettings: settings
        ),
        // An engine without sockets, in virtual time, for tests; uses Lifeline's package API.
        .target(
            name: "LifelineTesting",
            dependencies: [
                "Lifeline",
                "LifelineCore",
                "LifelineLocks",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "LifelineCLI",
            dependencies: [
                "Lifeline",
                "LifelineLocks",
                "LifelineRelay",
                "LifelineTrace",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        // Helpers shared by several test targets; not a product.
        .target(
            name: "LifelineTestSupport", dependencies: ["LifelineCore"], path: "Tests/LifelineTestSupport",
            swiftSettings: settings
        ),
        .testTarget(
            name: "LifelineCoreTests",
            dependencies: [
                "LifelineCore", "LifelineTestSupport", "CZlib",
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LifelineTests",
            dependencies: [
                "Lifeline",
                "LifelineTestSupport",
                "LifelineTesting",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                "LifelineLocks",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LifelineTestingTests", dependencies: ["Lifeline", "LifelineTesting"], swiftSettings: settings
        ),
        .testTarget(
            name: "LifelineRelayTests",
            dependencies: ["LifelineRelay", .product(name: "NIOCore", package: "swift-nio")],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LifelineTraceTests",
            dependencies: ["Lifeline", "LifelineTrace"],
            exclude: ["Golden"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LifelineCLITests",
            dependencies: [
                "Lifeline",
                "LifelineCLI",
                "LifelineRelay",
                "LifelineTrace",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        // The peer for scripts/autobahn and scripts/interop; not a product.
        .executableTarget(
            name: "LifelinePeer",
            dependencies: [
                "Lifeline",
                "LifelineCore",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            path: "Tests/LifelinePeer",
            swiftSettings: settings
        ),
        .testTarget(
            name: "DocumentationTests",
            dependencies: [
                "Lifeline",
                "LifelineCore",
                "LifelineTesting",
                "LifelineTrace",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
    ],
    swiftLanguageModes: [.v6]
)
