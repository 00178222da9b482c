import Foundation
import Roots
import SystemPackage

struct ProgramFailure: Error, CustomStringConvertible {
    let description: String
}

func run(_ program: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
        throw ProgramFailure(description: "\(program) \(arguments.joined(separator: " ")): status \(process.terminationStatus)")
    }
}

/// A store with one image of `files` files; a file system of its own unless the environment names a directory.
final class Place: Sendable {
    /// Made when the first benchmark runs: listing them makes nothing.
    static let shared = Result { try Place() }
    static let files =
        ProcessInfo.processInfo.environment["NSPAWN_RUNNER_BENCHMARK_FILES"].flatMap { Int($0) } ?? 60000

    let store: Store
    let image: Image

    init() throws {
        let given = ProcessInfo.processInfo.environment["NSPAWN_RUNNER_BENCHMARK_STORE"]
        store = try Store(FilePath(given ?? Self.mountVolume()), create: true)
        let name = try Name("benchmark-\(Self.files)", of: .image)
        if try !store.images().contains(where: { $0.name == name }) {
            let temporary = try store.makeTemporary(prefix: name)
            try Self.fill(temporary, Self.files)
            try store.publish(temporary, as: name)
        }
        image = try store.image(named: name)
    }

    func claim(_ method: CloneMethod) throws -> RootRecord {
        let name = try Name("m\(UInt32.random(in: 0 ... .max))", of: .machine)
        return RootRecord(id: name, method: method, image: image.path, directory: try store.claim(name))
    }

    private static let volume = "/var/tmp/nspawn-runner-benchmark"

    /// A btrfs in a sparse file that has no name any more: it is gone with the mount.
    private static func mountVolume() throws -> String {
        unmountVolume()
        try FileManager.default.createDirectory(atPath: volume, withIntermediateDirectories: true)
        let file = "\(volume).image"
        defer { try? FileManager.default.removeItem(atPath: file) }
        try run("truncate", ["-s", "8G", file])
        try run("mkfs.btrfs", ["-q", "-f", file])
        try run("mount", ["-o", "loop,noatime", file, volume])
        return "\(volume)/store"
    }

    static func unmountVolume() {
        guard FileManager.default.fileExists(atPath: "\(volume)/store") else { return }
        try? run("umount", ["-l", volume])
        try? FileManager.default.removeItem(atPath: volume)
    }

    /// Sizes as in a Debian tree: half of the files are small, a few are large.
    private static func fill(_ path: FilePath, _ files: Int) throws {
        let script = #"""
            import os, random, sys
            top, files = sys.argv[1], int(sys.argv[2]); random.seed(1)
            os.makedirs(top + "/usr/lib"); open(top + "/usr/lib/os-release", "w").write("ID=benchmark\n")
            data = random.randbytes(1 << 20); made = 0; directory = 0
            while made < files:
                path = "%s/usr/d%d/d%d" % (top, directory % 97, directory); os.makedirs(path); directory += 1
                for i in range(min(random.choice((1, 3, 10, 20, 40)), files - made)):
                    size = min(int(random.lognormvariate(7.8, 1.9)), 1 << 20); start = random.randrange((1 << 20) - size + 1)
                    open("%s/f%d" % (path, i), "wb").write(data[start:start + size]); made += 1
                os.symlink("f0", path + "/link")
            os.sync()
            """#
        try run("python3", ["-c", script, path.string, "\(files)"])
    }
}
