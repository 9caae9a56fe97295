// swift-tools-version: 6.3
import PackageDescription

// Programs to learn from. A package of its own, so that nobody who uses the library builds them.

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Under this feature an async function runs on its caller's actor. Some examples have it and some do not, so that the closures
/// of the library are compiled in both ways.
let callersActor = settings + [.enableUpcomingFeature("NonisolatedNonsendingByDefault")]

let lifeline: Target.Dependency = .product(name: "Lifeline", package: "lifeline")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")

let package = Package(
    name: "lifeline-examples",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "lifeline", path: ".."),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.8.0"),
    ],
    targets: [
        .target(name: "ChatExample", dependencies: [lifeline, httpTypes], swiftSettings: callersActor),
        .executableTarget(
            name: "Chat",
            dependencies: [
                "ChatExample", lifeline,
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: callersActor),
        .target(name: "TickerExample", dependencies: [lifeline], swiftSettings: settings),
        .executableTarget(name: "Ticker", dependencies: ["TickerExample", lifeline], swiftSettings: settings),
        .target(name: "StayExample", dependencies: [lifeline, httpTypes], swiftSettings: callersActor),
        .executableTarget(name: "Stay", dependencies: ["StayExample", lifeline], swiftSettings: callersActor),
        .testTarget(
            name: "ExamplesTests",
            dependencies: [
                "ChatExample", "TickerExample", "StayExample", lifeline, httpTypes,
                .product(name: "LifelineTesting", package: "lifeline"),
            ],
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
