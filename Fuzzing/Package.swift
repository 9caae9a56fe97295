// swift-tools-version: 6.3
import PackageDescription

// A package of its own, so that nobody who uses the library ever builds with a fuzzer's instrumentation. Built and run by
// scripts/fuzz.

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// A fuzz target: what is done with an input, and an executable whose `main` is libFuzzer's. The executable is in C, for the
/// package manager gives one in Swift a `main` of its own.
func fuzzTarget(_ name: String, _ dependencies: [Target.Dependency]) -> [Target] {
    [
        .target(name: "\(name)Target", dependencies: ["FuzzSupport"] + dependencies, swiftSettings: settings),
        .executableTarget(name: "Fuzz\(name)", dependencies: [.target(name: "\(name)Target")]),
    ]
}

let core: [Target.Dependency] = [.product(name: "LifelineCore", package: "lifeline")]
let library: [Target.Dependency] = [.product(name: "Lifeline", package: "lifeline")]
let tracing = library + [.product(name: "LifelineTrace", package: "lifeline"), "DrawingSupport"]

let package = Package(
    name: "lifeline-fuzzing",
    platforms: [.macOS(.v15)],
    dependencies: [
        // Without TLS, which takes longest to build.
        .package(name: "lifeline", path: "..", traits: []),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.92.0"),
    ],
    targets: [
        .target(
            name: "FuzzSupport",
            dependencies: core + [.product(name: "HTTPTypes", package: "swift-http-types")], swiftSettings: settings),
        .target(
            name: "DrawingSupport",
            dependencies: library + ["FuzzSupport", .product(name: "LifelineTrace", package: "lifeline")],
            swiftSettings: settings),
        // What the command reads, as it is in the command, whose executable nothing can depend on: its files are links.
        .target(
            name: "CommandReaders",
            dependencies: library + [
                .product(name: "LifelineTrace", package: "lifeline"),
                .product(name: "_LifelineRelay", package: "lifeline"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings + [
                .unsafeFlags(
                    ["LifelineCore", "LifelineLocks", "Lifeline", "LifelineRelay", "LifelineTrace"].flatMap {
                        ["-Xfrontend", "-testable-import-module", "-Xfrontend", $0]
                    })
            ]),
    ] + fuzzTarget("Decompression", core) + fuzzTarget("Compression", core) + fuzzTarget("Handshake", core)
        + fuzzTarget("Proxy", tracing) + fuzzTarget("Recording", tracing + ["CommandReaders"])
        + fuzzTarget("Archive", tracing + ["CommandReaders"]) + fuzzTarget("Page", tracing)
        + fuzzTarget("URL", library) + fuzzTarget("Script", library + ["CommandReaders"]),
    swiftLanguageModes: [.v6]
)
