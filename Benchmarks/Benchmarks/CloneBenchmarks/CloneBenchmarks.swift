// How long each clone method takes for one tree, with `cp -a` beside it.
//
//     sudo swift package --package-path Benchmarks -c release --disable-sandbox benchmark --target CloneBenchmarks
//
// makes a btrfs of its own in a sparse file and takes it away at the end. NSPAWN_RUNNER_BENCHMARK_STORE names a directory
// (mode 0700) on another file system instead; a method that this has not is reported as an error.
// NSPAWN_RUNNER_BENCHMARK_FILES is the number of files (60000). Needs root, python3, mkfs.btrfs and mount.

import Benchmark
import Foundation
import Roots
import SystemPackage

let benchmarks: @Sendable () -> Void = {
    let size = "\(Place.files / 1000)k files"
    for method in CloneMethod.allCases {
        register("clone \(method.rawValue) \(size)") { place in
            let backend = backend(for: method, in: place.store)
            try backend.check(place.image, userNamespace: false)
            let record = try place.claim(method)
            return Steps(
                measured: { try backend.create(record, from: place.image) },
                takeAway: { try place.store.removeMachineDirectory(record.id) })
        }
    }
    for option in ["--reflink=always", "--reflink=never"] {
        register("cp -a \(option) \(size)") { place in
            let record = try place.claim(.copy)
            return Steps(
                measured: { try run("cp", ["-a", option, "\(place.image.path)/.", record.directory.string]) },
                takeAway: { try place.store.removeMachineDirectory(record.id) })
        }
    }
    Benchmark.shutdownHook = { Place.unmountVolume() }
}

struct Steps {
    let measured: () throws -> Void
    let takeAway: () throws -> Void
}

/// Registers a benchmark of which neither the set-up nor the clean-up is measured.
private func register(_ name: String, _ setUp: @escaping @Sendable (Place) throws -> Steps) {
    Benchmark(
        name,
        configuration: .init(metrics: [.wallClock], warmupIterations: 1, maxDuration: .seconds(20), maxIterations: 20)
    ) { benchmark in
        for _ in benchmark.scaledIterations {
            do {
                let steps = try setUp(Place.shared.get())
                benchmark.startMeasurement()
                try steps.measured()
                benchmark.stopMeasurement()
                try steps.takeAway()
            } catch {
                return benchmark.error("\(error)")
            }
        }
    }
}
