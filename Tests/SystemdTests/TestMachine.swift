import CLinux
import Glibc
import LinuxSystem
import SystemPackage
import Testing

/// A booted machine of its own for tests: a small Debian with systemd, unpacked into memory, gone when it is closed or
/// when the test process ends, however that ends.
final class TestMachine: Sendable {
    struct Options: Hashable, Sendable {
        var hasUserNamespace = false
        var hasDBus = true
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// The machine's first process.
    let leader: Int32
    private let supervisor: Int32
    /// The supervisor takes the machine down when this is closed.
    private let lifeline: FileDescriptor
    private let directory: String

    init(_ options: Options = Options()) throws {
        let image = try Self.image()
        var template = Array("/tmp/nspawn-runner-test.XXXXXX\0".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failure(description: "mkdtemp") }
        let directory = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        self.directory = directory
        let name = "t" + (directory.split(separator: ".").last ?? "").lowercased()
        let socket = try check("socket", [name]) { clinux_notification_socket("nspawn-runner-test/\(directory)") }
        defer { Glibc.close(socket) }
        var ends: (read: CInt, write: CInt) = (-1, -1)
        try check("pipe2", []) { clinux_pipe(&ends.read, &ends.write, 0) }
        lifeline = FileDescriptor(rawValue: ends.write)
        defer { Glibc.close(ends.read) }
        supervisor = try spawn(
            [
                "/usr/bin/unshare", "--mount", "--propagation", "slave", "/bin/bash", "-c", Self.script, "machine",
                directory, image, name, options.hasUserNamespace ? "yes" : "", options.hasDBus ? "yes" : "",
            ], environment: ["NOTIFY_SOCKET=@nspawn-runner-test/\(directory)", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            input: ends.read, output: "\(directory)/log")
        do {
            leader = try Self.waitUntilReady(socket, supervisor)
        } catch {
            let log = try? FileDescriptor.open("\(directory)/log", .readOnly)
            let text = (try? log?.readAll(limit: 1 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? ""
            Self.takeDown(lifeline, supervisor, directory)
            throw Failure(description: "machine did not come up: \(error)\n\(text)")
        }
    }

    func close() { Self.takeDown(lifeline, supervisor, directory) }

    private static func takeDown(_ lifeline: FileDescriptor, _ supervisor: Int32, _ directory: String) {
        try? lifeline.close()
        _ = clinux_wait(supervisor)
        unlink("\(directory)/log")
        rmdir("\(directory)/root")
        rmdir(directory)
    }

    private static func waitUntilReady(_ socket: CInt, _ supervisor: Int32) throws -> Int32 {
        let deadline = Deadline(after: .seconds(90))
        let process = try check("pidfd_open", []) { clinux_pidfd_open(supervisor) }
        defer { Glibc.close(process) }
        var leader: Int32 = 0
        while !deadline.hasPassed {
            var items = [
                clinux_poll(descriptor: socket, events: Int16(POLLIN), ready: 0),
                clinux_poll(descriptor: process, events: Int16(POLLIN), ready: 0),
            ]
            _ = clinux_poll(&items, 2, deadline.remaining.pollMilliseconds)
            if items[1].ready != 0 { throw Failure(description: "systemd-nspawn ended") }
            var buffer = [CChar](repeating: 0, count: 65536)
            var (pid, user) = (pid_t(0), UInt32(0))
            let count = clinux_receive_notification(socket, &buffer, buffer.count - 1, &pid, &user)
            guard count > 0 else { continue }
            let message = String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
            for line in message.split(separator: "\n") {
                if line.hasPrefix("X_NSPAWN_LEADER_PID=") { leader = Int32(line.dropFirst(20)) ?? 0 }
                if line == "READY=1" && leader > 0 { return leader }
            }
        }
        throw Failure(description: "not ready after 90 seconds")
    }

    /// Waits for the end of its standard input, which is that of the test process at the latest, then kills.
    private static let script = #"""
        set -eu
        directory=$1 image=$2 name=$3 users=$4 bus=$5
        mkdir -p "$directory/root"
        mount -t tmpfs -o mode=0755 tmpfs "$directory/root"
        tar -C "$directory/root" --xattrs --xattrs-include='*' --exclude './dev/*' -xpf "$image"
        rm -f "$directory/root/etc/machine-id"
        : >"$directory/root/etc/machine-id"
        system=$directory/root/etc/systemd/system
        for unit in systemd-networkd-wait-online.service systemd-networkd.service systemd-resolved.service \
            systemd-timesyncd.service e2scrub_reap.service console-getty.service apt-daily.timer \
            apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer; do
            ln -sf /dev/null "$system/$unit"
        done
        [ -n "$bus" ] || for unit in dbus.service dbus.socket; do ln -sf /dev/null "$system/$unit"; done
        umount -R /sys/fs/cgroup 2>/dev/null || true
        mount -t cgroup2 cgroup2 /sys/fs/cgroup
        group=/sys/fs/cgroup/$name
        mkdir "$group"
        (
            echo "$BASHPID" >"$group/cgroup.procs"
            export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_LOCK=0
            exec systemd-nspawn --quiet --register=no --keep-unit --settings=no --link-journal=no --boot \
                --machine="$name" --directory="$directory/root" --notify-ready=yes --console=read-only \
                --resolv-conf=off --timezone=off --suppress-sync=yes \
                ${users:+--private-users=1879048192:65536 --private-users-ownership=auto} </dev/null
        ) &
        machine=$!
        # Ends too when the machine does, so that a failed start is seen.
        (while kill -0 "$machine" 2>/dev/null; do sleep 0.1; done) </dev/null &
        ended=$!
        (cat >/dev/null; kill "$ended" 2>/dev/null) <&0 &
        wait "$ended" || true
        [ ! -e "$group/cgroup.kill" ] || echo 1 >"$group/cgroup.kill"
        wait "$machine" || true
        for _ in $(seq 100); do
            find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
            [ -d "$group" ] || break
            sleep 0.02
        done
        """#

    /// A tar archive of a small Debian with systemd; made once, in about 15 seconds.
    static func image() throws -> String {
        if let given = getenv("NSPAWN_RUNNER_TEST_IMAGE_TAR") { return String(cString: given) }
        let cache =
            getenv("NSPAWN_RUNNER_TEST_CACHE").map { String(cString: $0) } ?? "/var/cache/nspawn-runner-test"
        let image = "\(cache)/machine-bookworm.tar"
        let script = #"""
            set -eu
            mkdir -p "$(dirname "$1")"
            exec 9>"$1.lock"
            flock 9
            [ ! -s "$1" ] || exit 0
            mmdebstrap --quiet --variant=minbase --include=systemd,systemd-sysv,dbus bookworm "$1.new.tar"
            mv "$1.new.tar" "$1"
            """#
        var environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        for name in ["http_proxy", "https_proxy", "no_proxy"] {
            if let value = getenv(name) { environment.append("\(name)=\(String(cString: value))") }
        }
        let child = try spawn(
            ["/bin/bash", "-c", script, "image", image], environment: environment, input: -1, output: "/dev/stderr")
        guard clinux_wait(child) == 0 else { throw Failure(description: "no image \(image): mmdebstrap failed") }
        return image
    }
}

/// Starts a program in a session of its own.
func spawn(
    _ arguments: [String], environment: [String], input: CInt, output: String
) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if input >= 0 {
        posix_spawn_file_actions_adddup2(&actions, input, 0)
    } else {
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    // The threads that run tests block nearly every signal, which a child would inherit.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var pid: pid_t = 0
    let arguments = (["/usr/bin/setsid"] + arguments).map { strdup($0) } + [nil]
    let environment = environment.map { strdup($0) } + [nil]
    defer { (arguments + environment).forEach { free($0) } }
    let result = posix_spawn(&pid, "/usr/bin/setsid", &actions, &attributes, arguments, environment)
    guard result == 0 else { throw SystemError("posix_spawn", [], errno: Errno(rawValue: result)) }
    return pid
}

// MARK: Traits

/// Machines that the tests of a suite share, by their options.
struct SharedMachines: SuiteTrait, TestScoping {
    @TaskLocal static var machines: [TestMachine.Options: TestMachine] = [:]

    let options: [TestMachine.Options]

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        var machines: [TestMachine.Options: TestMachine] = [:]
        defer { machines.values.forEach { $0.close() } }
        for options in options { machines[options] = try TestMachine(options) }
        try await Self.$machines.withValue(machines) { try await function() }
    }
}

extension Trait where Self == SharedMachines {
    static func machines(_ options: [TestMachine.Options]) -> Self { Self(options: options) }
}

extension Trait where Self == ConditionTrait {
    /// Machines need root, systemd-nspawn, and mmdebstrap unless there is an image. Where tests are required they run
    /// all the same, and fail.
    static var canBoot: Self {
        .enabled("needs root and systemd-nspawn") {
            isRequired || (geteuid() == 0 && access("/usr/bin/systemd-nspawn", X_OK) == 0)
        }
    }

    /// Tests of the place with a running systemd.
    static var hostHasSystemd: Self {
        .enabled("belongs to the place H, where systemd runs the host") {
            getenv("NSPAWN_RUNNER_TEST_PLACE").map { String(cString: $0) } == "H"
        }
    }

    private static var isRequired: Bool { getenv("NSPAWN_RUNNER_TEST_REQUIRED").map { String(cString: $0) } == "1" }
}
