import Foundation
import Testing

/// A store on a file system of its own, with a real Debian image, for the tests of one suite.
final class JobHost: Sendable {
    @TaskLocal static var current: JobHost?

    let directory: String
    let store: String
    let executable: String
    /// Test programs run where systemd is PID 1 (place H) or not (place K); the engine follows.
    let isSystemdHost = FileManager.default.fileExists(atPath: "/run/systemd/system")

    private let idLocksBefore = JobHost.idLocks()

    /// The image as a subvolume and as a plain directory.
    static let image = "debian"
    static let plainImage = "debian-plain"

    private init() throws {
        let environment = ProcessInfo.processInfo.environment
        guard let tar = environment["NSPAWN_RUNNER_TEST_IMAGE_TAR"],
            let executable = environment["NSPAWN_RUNNER_TEST_EXECUTABLE"]
        else { throw Missing() }
        self.executable = executable
        let template = (environment["TMPDIR"] ?? "/var/tmp") + "/nspawn-runner-test.XXXXXX"
        directory = try command("mktemp", "-d", template).text.trimmingCharacters(in: .whitespacesAndNewlines)
        store = directory + "/volume/store"
        try command("truncate", "-s", "6G", directory + "/disk")
        try command("mkfs.btrfs", "-q", directory + "/disk")
        try command("mkdir", directory + "/volume")
        try command("mount", "-o", "loop", directory + "/disk", directory + "/volume")
        try command("mkdir", "-m", "0700", store)
        try command("btrfs", "-q", "subvolume", "create", store + "/" + Self.image)
        try command("tar", "-C", store + "/" + Self.image, "--xattrs", "--xattrs-include=*", "-xpf", tar)
        try command("cp", "-a", "--reflink=always", store + "/" + Self.image, store + "/" + Self.plainImage)
    }

    /// The tests need `Scripts/test`, which makes the image and names the executable.
    struct Missing: Error, CustomStringConvertible {
        var description: String {
            "NSPAWN_RUNNER_TEST_IMAGE_TAR and NSPAWN_RUNNER_TEST_EXECUTABLE are not set; run Scripts/test"
        }
    }

    static func withHost(_ body: (JobHost) async throws -> Void) async throws {
        let host = try JobHost()
        var failure: (any Error)?
        do { try await body(host) } catch { failure = error }
        // A reaper is done a moment after its machine.
        _ = eventually(within: 10) { host.leftovers().isEmpty }
        let left = host.leftovers()
        try host.tearDown()
        if let failure { throw failure }
        #expect(left == [], "left behind")
    }

    private func tearDown() throws {
        try command("umount", directory + "/volume")
        try command("rm", "-rf", directory)
    }

    /// Everything that a machine may leave: its directory, processes, mounts of the host, cgroups, unit, id lock.
    func leftovers() -> [String] {
        var left: [String] = []
        for name in (try? FileManager.default.contentsOfDirectory(atPath: store + "/.machines")) ?? [] {
            left.append("machine \(name)")
        }
        for name in (try? FileManager.default.contentsOfDirectory(atPath: store + "/.tmp")) ?? [] {
            left.append("temporary \(name)")
        }
        let mounts = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        for line in mounts.split(separator: "\n") where line.contains(store + "/") { left.append("mount \(line)") }
        left += (try? command("pgrep", "-af", "(machine-reap|machine-exec|systemd-nspawn).*\(store)", mayFail: true))?
            .text.split(separator: "\n").map { "process \($0)" } ?? []
        for line in mounts.split(separator: "\n") where line.contains(" - cgroup2 ") {
            let target = line.split(separator: " ")[4]
            for group in (try? FileManager.default.contentsOfDirectory(atPath: target + "/nspawn-runner")) ?? []
            where !group.contains(".") { left.append("cgroup \(group)") }
        }
        left += Self.idLocks().subtracting(idLocksBefore).map { "lock of ids \($0)" }
        if isSystemdHost {
            left += (try? command("systemctl", "list-units", "--all", "--no-legend", "nspawn-runner-*"))?
                .text.split(separator: "\n").map { "unit \($0)" } ?? []
        }
        return left
    }

    private static func idLocks() -> Set<String> {
        Set((try? FileManager.default.contentsOfDirectory(atPath: "/run/systemd/nspawn-uid")) ?? [])
    }

    /// The verb with its arguments; `--store` is added.
    func start(
        _ arguments: [String], environment: [String: String]? = nil, input: Data? = nil
    ) throws -> RunningProgram {
        var variables = environment ?? ProcessInfo.processInfo.environment
        variables["NSPAWN_RUNNER_STORE"] = store
        variables["NSPAWN_RUNNER_CONFIG"] = nil
        return try RunningProgram(executable, arguments, environment: variables, input: input)
    }

    func run(
        _ arguments: String..., environment: [String: String]? = nil, input: String? = nil
    ) throws -> Outcome {
        try start(arguments, environment: environment, input: input.map { Data($0.utf8) }).wait()
    }
}

/// Makes the host before the first test of a suite and takes it down after the last.
struct JobHostTrait: SuiteTrait, TestScoping {
    var isRecursive: Bool { false }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await JobHost.withHost { host in
            try await JobHost.$current.withValue(host) { try await function() }
        }
    }
}

extension Trait where Self == JobHostTrait {
    static var jobHost: Self { JobHostTrait() }
}

/// The host of the running test.
func jobHost() throws -> JobHost { try #require(JobHost.current) }
