import Foundation
import Testing

extension Integration {
    /// `spawn`: what systemd-nspawn -x does, natively.
    @Suite struct Spawning {
        @Test(arguments: ["snapshot", "overlay", "reflink", "copy"])
        func `the command's output and exit code are those of spawn, and the root is gone`(method: String) throws {
            let host = try jobHost()
            // An image of its own name, so that its machines are told from those of other tests.
            let image = "spawned-\(method)"
            let path = host.store + "/" + image
            try command("btrfs", "-q", "subvolume", "snapshot", host.store + "/" + JobHost.image, path)
            defer { _ = try? command("btrfs", "-q", "subvolume", "delete", path) }
            let outcome = try host.run(
                "spawn", "--clone", method, image, "--", "sh", "-c", "cat; echo out; echo err >&2; touch /x; exit 7",
                input: "in\n")
            let machines = try FileManager.default.contentsOfDirectory(atPath: host.store + "/.machines")
            #expect(!machines.contains { $0.hasPrefix(image) })
            #expect(outcome.status == 7)
            #expect(outcome.text == "in\nout\n")
            #expect(outcome.errorText == "err\n")
        }

        @Test(arguments: [SIGKILL, SIGTERM, SIGHUP])
        func `nothing is left when spawn is ended from outside`(signal: Int32) throws {
            let host = try jobHost()
            // A number that no other machine's processes have.
            let seconds = "\(Int.random(in: 100_000..<999_999_999))"
            let spawn = try host.start(["spawn", JobHost.image, "--", "sh", "-c", "echo up; sleep \(seconds); true"])
            #expect(eventually(within: 20) { spawn.outputSoFar.contains("up") })
            let machine = try #require(try Self.machine(running: seconds, host))
            spawn.signal(signal)
            let outcome = spawn.wait()
            #expect(outcome.status != 0)
            #expect(eventually(within: 15) { !FileManager.default.fileExists(atPath: host.store + "/.machines/\(machine)") })
            #expect(try command("pgrep", "-f", "sleep \(seconds)", mayFail: true).text == "")
        }

        private static func machine(running text: String, _ host: JobHost) throws -> String? {
            let directory = host.store + "/.machines"
            return try FileManager.default.contentsOfDirectory(atPath: directory).first { name in
                (try? String(contentsOfFile: "\(directory)/\(name)/machine.json", encoding: .utf8))?.contains(text) == true
            }
        }

        @Test func `a command that is not there fails like a shell's`() throws {
            let outcome = try jobHost().run("spawn", JobHost.image, "--", "/no/such/program")
            #expect(outcome.status != 0)
        }

        /// systemd-nspawn makes nothing in an id-mapped root (EOVERFLOW), so all of this is made before.
        @Test(arguments: ["snapshot", "overlay", "copy"])
        func `an image without its base directories starts`(method: String) throws {
            let host = try jobHost()
            let name = "bare-\(method)"
            let path = host.store + "/" + name
            try command("btrfs", "-q", "subvolume", "snapshot", host.store + "/" + JobHost.image, path)
            defer { _ = try? command("btrfs", "-q", "subvolume", "delete", path) }
            try command("rm", "-rf", path + "/lib", path + "/usr/local", path + "/etc/resolv.conf", path + "/proc", path + "/sys", path + "/run", path + "/tmp")
            let outcome = try host.run("spawn", "--clone", method, name, "--", "sh", "-c", "ls -d /run /tmp /proc/self /lib/. > /dev/null && cat /etc/hostname && touch /tmp/x")
            #expect(outcome.status == 0, "\(outcome.errorText)")
            #expect(outcome.text.hasPrefix("bare-\(method)-"))
        }

        @Test func `a link in the image leads nowhere outside`() throws {
            let host = try jobHost()
            let path = host.store + "/hostile"
            let outside = host.directory + "/outside"
            try command("mkdir", outside)
            try command("btrfs", "-q", "subvolume", "snapshot", host.store + "/" + JobHost.image, path)
            defer { _ = try? command("btrfs", "-q", "subvolume", "delete", path) }
            for name in ["resolv.conf", "hostname", "machine-id"] {
                try command("ln", "-sf", outside + "/" + name, path + "/etc/" + name)
            }
            try command("rm", "-rf", path + "/var/log")
            try command("ln", "-s", outside, path + "/var/log")
            try command("ln", "-s", outside, path + "/builds")
            _ = try host.run("spawn", "hostile", "--", "true")
            #expect(try FileManager.default.contentsOfDirectory(atPath: outside) == [])
        }

        /// Row N45: what a job syncs need not reach the disk, since its root is thrown away. The filter that does it answers
        /// before the kernel looks at the descriptor, so even a wrong one syncs well.
        @Test func `syncing is suppressed and seccomp is on`() throws {
            let outcome = try jobHost().run(
                "spawn", JobHost.image, "--", "python3", "-c",
                "import os; os.fsync(999); print(open('/proc/self/status').read())")
            #expect(outcome.status == 0, "\(outcome.errorText)")
            #expect(outcome.text.contains("Seccomp:\t2"))
        }
    }
}
