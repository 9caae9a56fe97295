// swift-tools-version: 6.2
import PackageDescription

// Apart from the servers' benchmarks: it brings a tool of many packages along.
//
//   swift package --package-path Benchmarks/Micro benchmark

let package = Package(
    name: "lifeline-microbenchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "lifeline", path: "../.."),
        .package(url: "https://github.com/ordo-one/benchmark.git", from: "1.38.0", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "Core",
            dependencies: [
                .product(name: "Benchmark", package: "benchmark"),
                .product(name: "LifelineCore", package: "lifeline"),
            ],
            path: "Benchmarks/Core",
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("MemberImportVisibility"),
            ],
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
        )
    ],
    swiftLanguageModes: [.v6]
)
