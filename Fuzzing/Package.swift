// swift-tools-version: 6.2
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
func fuzzTarget(_ name: String) -> [Target] {
    [
        .target(
            name: "\(name)Target",
            dependencies: [
                "FuzzSupport",
                .product(name: "LifelineCore", package: "lifeline"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(name: "Fuzz\(name)", dependencies: [.target(name: "\(name)Target")]),
    ]
}

let package = Package(
    name: "lifeline-fuzzing",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "lifeline", path: ".."),
        .package(url: "https://github.com/apple/swift-http-types.git", from: "1.4.0"),
    ],
    targets: [
        .target(
            name: "FuzzSupport",
            dependencies: [
                .product(name: "LifelineCore", package: "lifeline"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
            ],
            swiftSettings: settings
        )
    ] + fuzzTarget("Decompression") + fuzzTarget("Compression") + fuzzTarget("Handshake"),
    swiftLanguageModes: [.v6]
)
