// swift-tools-version: 6.1
import PackageDescription

// A package of its own, so that the benchmark library is no dependency of the project.
//
//     swift package --package-path Benchmarks -c release benchmark
//
// runs all of it, as root; see CloneBenchmarks.swift for what it takes.
let package = Package(
    name: "benchmarks",
    dependencies: [
        .package(name: "nspawn-runner", path: ".."),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/ordo-one/benchmark", exact: "1.38.1", traits: []),
    ],
    targets: [
        .executableTarget(
            name: "CloneBenchmarks",
            dependencies: [
                .product(name: "CopyOnWrite", package: "nspawn-runner"),
                .product(name: "Benchmark", package: "benchmark"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            path: "Benchmarks/CloneBenchmarks",
            plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
    ],
    swiftLanguageModes: [.v6]
)
