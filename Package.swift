// swift-tools-version: 6.2
import PackageDescription

/// Every target: Swift 6, imports that do not leak, no warning left standing.
let common: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]
/// From `Roots` upwards no line is `unsafe`: pointers stay in the targets below.
let safe: [SwiftSetting] = common + [.strictMemorySafety()]

let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "nspawn-runner",
    products: [
        .library(name: "CopyOnWrite", targets: ["LinuxSystem", "Btrfs", "Mounts", "Roots"]),
        .library(name: "NspawnRunner", targets: ["Images", "Machines", "GitLabExecutor"]),
        .executable(name: "nspawn-runner", targets: ["nspawn-runner"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/LebJe/TOMLKit", exact: "0.6.0"),
    ],
    targets: [
        // What C shows and Swift's Glibc module does not, and the C libraries.
        .target(name: "CLinux", path: "CShims/CLinux"),
        .systemLibrary(
            name: "CBtrfsUtil", path: "CShims/CBtrfsUtil", pkgConfig: "libbtrfsutil",
            providers: [.apt(["libbtrfsutil-dev"])]),
        .systemLibrary(
            name: "CMount", path: "CShims/CMount", pkgConfig: "mount", providers: [.apt(["libmount-dev"])]),
        .systemLibrary(
            name: "CSystemd", path: "CShims/CSystemd", pkgConfig: "libsystemd",
            providers: [.apt(["libsystemd-dev"])]),

        // Copy-on-write roots. Imports point down this list only.
        .target(name: "LinuxSystem", dependencies: ["CLinux", system], swiftSettings: common),
        .target(name: "Btrfs", dependencies: ["CBtrfsUtil", "LinuxSystem", system], swiftSettings: common),
        .target(name: "Mounts", dependencies: ["CLinux", "CMount", "LinuxSystem", system], swiftSettings: common),
        .target(name: "Systemd", dependencies: ["CLinux", "CSystemd", "LinuxSystem", system], swiftSettings: common),
        .target(
            name: "Roots", dependencies: ["LinuxSystem", "Btrfs", "Mounts", system, logging], swiftSettings: safe),
        .target(name: "Images", dependencies: ["Roots", "LinuxSystem", "Btrfs", system, logging], swiftSettings: safe),
        .target(
            name: "Machines",
            dependencies: ["Images", "Roots", "LinuxSystem", "Mounts", "Systemd", system, logging],
            swiftSettings: safe),
        .target(
            name: "GitLabExecutor", dependencies: ["Machines", "Images", "Roots", "LinuxSystem", system, logging],
            swiftSettings: safe),
        .target(
            name: "Commands",
            dependencies: [
                "GitLabExecutor", "Machines", "Images", "Roots", "LinuxSystem", "Mounts", system, logging, arguments,
                .product(name: "TOMLKit", package: "TOMLKit"),
            ],
            swiftSettings: safe),
        .executableTarget(
            name: "nspawn-runner", dependencies: ["Commands"], swiftSettings: safe,
            // A hook lives for milliseconds, and 38,000 relocations of Swift's static library are one of its start. The
            // addresses of the program itself are then fixed; no library product depends on this target.
            linkerSettings: [.unsafeFlags(["-Xclang-linker", "-no-pie"], .when(configuration: .release))]),

        // What tests share: loop-mounted file systems, trees, a look at what is left behind.
        .target(
            name: "TestSupport", dependencies: ["CLinux", "LinuxSystem", "Btrfs", "Mounts", system],
            path: "Tests/TestSupport"),
        .testTarget(
            name: "GitLabExecutorTests", dependencies: ["GitLabExecutor", "LinuxSystem", "Roots", system]),
        .testTarget(name: "MachinesTests", dependencies: ["Machines", "LinuxSystem", system]),
        .testTarget(
            name: "CommandsTests",
            dependencies: ["Commands", "GitLabExecutor", .product(name: "TOMLKit", package: "TOMLKit")]),
        .testTarget(name: "ImagesTests", dependencies: ["Images"]),
        .testTarget(name: "IntegrationTests"),
        .testTarget(name: "LinuxSystemTests", dependencies: ["LinuxSystem", "TestSupport", system]),
        .testTarget(name: "BtrfsTests", dependencies: ["Btrfs", "LinuxSystem", "TestSupport", system]),
        .testTarget(name: "MountsTests", dependencies: ["Mounts", "LinuxSystem", "TestSupport", system]),
        .testTarget(
            name: "RootsTests",
            dependencies: ["Roots", "Btrfs", "Mounts", "LinuxSystem", "TestSupport", system, logging]),
        .testTarget(name: "SystemdTests", dependencies: ["Systemd", "CLinux", "LinuxSystem", system]),
    ],
    swiftLanguageModes: [.v6]
)
