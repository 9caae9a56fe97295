// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that nobody who uses the library ever resolves or builds what it is compared with.

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "lifeline-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "lifeline", path: ".."),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.92.0"),
    ],
    targets: [
        // The load generator: Linux only, in C so that it costs less than any server it measures.
        .executableTarget(
            name: "EchoLoad",
            cSettings: [.enableWarning("all"), .enableWarning("extra")],
            linkerSettings: [.linkedLibrary("z")]
        ),
        // The floor of all: system calls and nothing else.
        .executableTarget(
            name: "RawEpollEcho",
            cSettings: [.enableWarning("all"), .enableWarning("extra"), .define("_GNU_SOURCE")]
        ),
        // What the echo servers share: the command line and the line that tells their port.
        .target(name: "EchoServerSupport", swiftSettings: settings),
        // The floor: SwiftNIO sending bytes back, no protocol.
        .executableTarget(
            name: "RawNIOEcho",
            dependencies: [
                "EchoServerSupport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "NIOWebSocketEcho",
            dependencies: [
                "EchoServerSupport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOWebSocket", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "LifelineEcho",
            dependencies: [
                "EchoServerSupport", .product(name: "Lifeline", package: "lifeline"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
        // One message to and fro, with the library's client.
        .executableTarget(
            name: "LifelinePingPong",
            dependencies: [
                .product(name: "Lifeline", package: "lifeline"), .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        // zlib in a loop of C, and what the library makes of it.
        .target(
            name: "CPlainZlib",
            cSettings: [.enableWarning("all"), .enableWarning("extra")],
            linkerSettings: [.linkedLibrary("z")]
        ),
        .executableTarget(
            name: "DeflateBench",
            dependencies: [
                "CPlainZlib", .product(name: "LifelineCore", package: "lifeline"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: settings
        ),
        // The C library's allocator, counted, and a client that does not call it.
        .target(
            name: "CAllocationCheck",
            cSettings: [.enableWarning("all"), .enableWarning("extra"), .define("_GNU_SOURCE")]
        ),
        .executableTarget(
            name: "AllocationCheck",
            dependencies: [
                "CAllocationCheck", .product(name: "Lifeline", package: "lifeline"),
                .product(name: "LifelineCore", package: "lifeline"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings
        ),
    ],
    swiftLanguageModes: [.v6]
)
