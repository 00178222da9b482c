import Foundation
import Testing

extension Integration {
    /// Jobs, images and hosts that mean no good, or that nobody thought of.
    @Suite struct Hostile {
        @Test(arguments: [SIGKILL, SIGHUP])
        func `nothing is left of a booted machine when spawn is ended from outside`(signal: Int32) throws {
            let host = try jobHost()
            // An image of its own name, so that its machines are told from those of other tests.
            try withImage("booted-\(signal)", of: host) { image, _ in
                let spawn = try host.start(["spawn", image])
                var machine: String?
                var processes: [Int32] = []
                _ = try eventually(within: 60) {
                    machine = try machine ?? machines(of: host).first { $0.hasPrefix(image + "-") }
                    processes = try machine.flatMap(bootedProcesses) ?? []
                    return !processes.isEmpty
                }
                spawn.signal(signal)
                let name = try #require(machine, "it did not start")
                #expect(!processes.isEmpty, "it did not boot")
                let isGone = try eventually(within: 15) {
                    try !machines(of: host).contains(name) && processes.allSatisfy { !isRunning($0) }
                        && command("pgrep", "-f", name, mayFail: true).text == ""
                }
                let left = try command("pgrep", "-af", name, mayFail: true).text
                #expect(isGone, "\(left)")
                // What is left would keep the pipes open, and the test with them.
                for process in processes where isRunning(process) { kill(process, SIGKILL) }
                _ = spawn.wait()
            }
        }

        @Test func `a deep tree of cgroups is cleaned up`() throws {
            let host = try jobHost()
            let job = try StandInJob(host)
            #expect(try job.prepare().status == 0)
            let stage = try job.stage("d=/sys/fs/cgroup; for i in $(seq 80); do d=$d/x; mkdir $d; done; stat -f -c %T $d")
            #expect(stage.status == 0, "\(stage.errorText)")
            #expect(stage.text == "cgroup2fs\n")
            let ended = try job.cleanup()
            #expect(ended.status == 0, "\(ended.errorText)")
            try expectNothing(of: job.machine, on: host)
        }

        @Test func `a process that fills the output of its stage does not keep it, however slowly it is read`() throws {
            try StandInJob(jobHost()).withMachine { job in
                let script = try file("script", "yes & echo $! > /root/yes; sleep 0.3; exit 0\n", for: job)
                let status = job.temporary + "/status"
                let begin = Date()
                let pipeline = try RunningProgram(
                    "/bin/sh",
                    [
                        "-c", "(\"$0\" run \"$1\" build_script; echo $? > \"$2\") | /usr/bin/python3 -c \"$3\"",
                        job.host.executable, script, status,
                        "import os, time\nwhile os.read(0, 65536): time.sleep(0.002)",
                    ],
                    environment: environment(of: job))
                // When it does not, the clean-up that follows ends it.
                try #require(
                    eventually(within: 30) { FileManager.default.fileExists(atPath: status) }, "the stage does not end")
                #expect(Date().timeIntervalSince(begin) < 10)
                _ = pipeline.wait()
                #expect(try String(contentsOfFile: status, encoding: .utf8) == "0\n")
                let next = try job.stage("kill $(cat /root/yes) || true; echo works")
                #expect(next.status == 0)
                #expect(next.text == "works\n")
            }
        }

        @Test(arguments: ["snapshot", "overlay"], [["chmod", "0555", "."], ["chmod", "0555", "etc"], ["chown", "1000:1000", "."]])
        func `an image whose directories have other modes and owners starts`(method: String, change: [String]) throws {
            let host = try jobHost()
            let name = "odd-\(method)-\(change[0])-\(change[2] == "." ? "root" : change[2])"
            try withImage(name, of: host) { image, path in
                try command(change[0], change[1], path + "/" + change[2])
                let outcome = try host.run(
                    "spawn", "--clone", method, "--private-users", "auto", image, "--", "awk", "{print $2}", "/proc/self/uid_map")
                #expect(outcome.status == 0, "\(outcome.errorText)")
                #expect(outcome.text != "" && outcome.text != "0\n", "no user namespace")
            }
        }

        /// The second overflows only as microseconds, or with the grace.
        @Test(arguments: [Int.max, Int.max / 1_000_000])
        func `a job without end is prepared or refused, and cleaned up`(timeout: Int) throws {
            let host = try jobHost()
            try expectOrderlyJob(StandInJob(host, timeout: timeout), [:])
            // A runner that writes no job response.
            try expectOrderlyJob(
                StandInJob(host),
                [
                    "JOB_RESPONSE_FILE": nil, "CUSTOM_ENV_CI_JOB_IMAGE": JobHost.image,
                    "CUSTOM_ENV_CI_JOB_TIMEOUT": "\(timeout)",
                ])
        }

        private func expectOrderlyJob(
            _ job: StandInJob, _ changes: [String: String?], location: SourceLocation = #_sourceLocation
        ) throws {
            var variables = environment(of: job, changes)
            if variables["JOB_RESPONSE_FILE"] == nil { variables["CUSTOM_ENV_CI_JOB_ID"] = "\(job.id)" }
            let prepared = try job.host.start(["prepare"], environment: variables).wait()
            #expect([0, 1, 2].contains(prepared.status), "\(prepared.errorText)", sourceLocation: location)
            if prepared.status == 0 {
                let script = try file("script", "echo works\n", for: job)
                let stage = try job.host.start(["run", script, "build_script"], environment: variables).wait()
                #expect(stage.text == "works\n", "\(stage.errorText)", sourceLocation: location)
            }
            let ended = try job.host.start(["cleanup"], environment: variables).wait()
            #expect(ended.status == 0, "\(ended.errorText)", sourceLocation: location)
            try expectNothing(of: job.machine, on: job.host, location: location)
        }

        @Test func `two servers give the same id, and the job of one has nothing to do with that of the other`() throws {
            let host = try jobHost()
            try StandInJob(host).withMachine { job in
                let response: [String: Any] = [
                    "id": job.id, "token": "token-of-another", "runner_info": ["timeout": 600],
                    "job_info": ["name": "test", "stage": "test", "project_id": 7],
                    "git_info": ["repo_url": "https://gitlab-ci-token:token-of-another@gitlab.example.net/a/b.git"],
                    "image": ["name": JobHost.image],
                ]
                let json = try JSONSerialization.data(withJSONObject: response)
                let path = try file("other.json", String(decoding: json, as: UTF8.self), for: job)
                let script = try file("script", "echo intruder; touch /root/intruder\n", for: job)
                func other(_ arguments: String...) throws -> Outcome {
                    try host.start(arguments, environment: environment(of: job, ["JOB_RESPONSE_FILE": path])).wait()
                }
                for _ in 0..<2 {
                    let prepared = try other("prepare")
                    #expect(prepared.status == 2, "\(prepared.text)")
                    #expect(prepared.errorText.split(separator: "\n").count == 1, "\(prepared.errorText)")
                    #expect(prepared.errorText.contains(job.machine) && !prepared.errorText.contains("token-of"))
                    let stage = try other("run", script, "build_script")
                    #expect(stage.status == 2)
                    #expect(stage.text == "")
                    let ended = try other("cleanup")
                    #expect(ended.status == 0, "\(ended.errorText)")
                    let own = try job.stage("test ! -e /root/intruder && echo unharmed")
                    #expect(own.text == "unharmed\n", "\(own.errorText)")
                }
                let record = try String(contentsOfFile: host.store + "/.machines/\(job.machine)/machine.json", encoding: .utf8)
                #expect(!record.contains("secret-token"))
            }
        }

        @Test(arguments: ["snapshot", "overlay", "reflink"])
        func `the umask of the runner is not the machine's`(method: String) throws {
            let host = try jobHost()
            let job = try StandInJob(host)
            let script = try file(
                "script",
                """
                unprivileged() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
                unprivileged cat /etc/hostname /etc/machine-id || exit
                test ! -e /etc/resolv.conf || unprivileged cat /etc/resolv.conf > /dev/null || exit
                unprivileged ls / > /dev/null

                """, for: job)
            func hook(_ arguments: String...) throws -> Outcome {
                try RunningProgram(
                    "/bin/sh", ["-c", "umask 077; exec \"$0\" \"$@\"", host.executable] + arguments,
                    environment: environment(of: job)
                ).wait()
            }
            let prepared = try hook("prepare", "--clone", method)
            #expect(prepared.status == 0, "\(prepared.errorText)")
            let stage = try hook("run", script, "build_script")
            #expect(stage.status == 0, "\(stage.errorText)")
            let lines = stage.text.split(separator: "\n")
            #expect(lines.count == 2 && lines.first == "\(job.machine)" && lines.last?.count == 32, "\(stage.text)")
            #expect(try hook("cleanup").status == 0)
        }

        @Test func `a configuration behind a link is judged by the file that is read`() throws {
            let host = try jobHost()
            let link = host.directory + "/link-\(Int.random(in: 0..<Int.max)).toml"
            let file = link + ".target"
            try "private_users = false\n".write(toFile: file, atomically: false, encoding: .utf8)
            try command("ln", "-s", file, link)
            for (owner, mode) in [("65534:65534", "0666"), ("65534:65534", "0644"), ("0:0", "0666")] {
                try command("chown", owner, file)
                try command("chmod", mode, file)
                let outcome = try host.run("gitlab-config", "--config", link)
                #expect(outcome.status == 2, "\(owner) \(mode)")
                #expect(outcome.text == "")
                #expect(outcome.errorText.split(separator: "\n").count == 1, "\(outcome.errorText)")
                #expect(outcome.errorText.contains(link), "\(outcome.errorText)")
            }
        }

        @Test func `a clone method of the administrator's that cannot be had is the host's fault`() throws {
            let host = try jobHost()
            let job = try StandInJob(host, image: JobHost.plainImage)
            let prepared = try job.prepare("--clone", "snapshot")
            #expect(prepared.status == 2)
            #expect(prepared.errorText.contains("snapshot") && prepared.errorText.contains(JobHost.plainImage))
            #expect(try !machines(of: host).contains(job.machine))
            let byHand = try host.run("spawn", "--clone", "snapshot", JobHost.plainImage, "--", "true")
            #expect(byHand.status == 1, "\(byHand.errorText)")
        }

        @Test func `a shell that the image has not is a script that failed`() throws {
            try StandInJob(jobHost()).withMachine { job in
                let script = try file("script", "echo not reached\n", for: job)
                let stage = try job.hook(["run", "--shell", "/no/such/shell", script, "build_script"]).wait()
                #expect(stage.status == 1)
                #expect(stage.text == "")
                #expect(stage.errorText.contains("/no/such/shell"), "\(stage.errorText)")
                #expect(job.reportedExitCode == "127\n")
                #expect(try job.stage("echo works").text == "works\n")
            }
        }

        @Test func `SIGTERM undoes an image that is being made`() throws {
            let host = try jobHost()
            let name = "stalled-\(Int.random(in: 0..<Int.max))"
            let mirror = try SilentServer()
            defer { mirror.close() }
            let create = try host.start([
                "image", "create", name, "--suite", "bookworm", "--mirror", "http://127.0.0.1:\(mirror.port)/debian",
            ])
            func temporaries() throws -> [String] {
                try FileManager.default.contentsOfDirectory(atPath: host.store + "/.tmp").filter { $0.hasPrefix(name) }
            }
            let isAtWork = eventually(within: 60) { mirror.accept() }
            #expect(isAtWork, "nobody asked the mirror")
            #expect(try temporaries().count == 1)
            create.signal(SIGTERM)
            let isGone = try eventually(within: 10) {
                try temporaries().isEmpty && command("pgrep", "-f", name, mayFail: true).text == ""
            }
            let left = try (temporaries(), command("pgrep", "-af", name, mayFail: true).text)
            #expect(isGone, "\(left)")
            // What still waits for the mirror holds the pipes.
            mirror.close()
            #expect(create.wait().status != 0)
            #expect(!FileManager.default.fileExists(atPath: host.store + "/" + name))
        }

        @Test func `cleanup succeeds without a store`() throws {
            let job = try StandInJob(jobHost())
            let store = "/nonexistent-\(Int.random(in: 0..<Int.max))/store"
            let outcome = try RunningProgram(
                job.host.executable, ["cleanup"], environment: environment(of: job, ["NSPAWN_RUNNER_STORE": store])
            ).wait()
            #expect(outcome.status == 0, "\(outcome.errorText)")
            #expect(!FileManager.default.fileExists(atPath: store))
        }

        @Test(arguments: ["a.-b", "a-.b"])
        func `an id with a part that is no host name is refused`(id: String) throws {
            let host = try jobHost()
            for verb in ["prepare", "run", "cleanup"] {
                let byOption = try host.run(verb, "--id=\(id)")
                let byVariable = try host.start(
                    [verb], environment: ["PATH": "/usr/bin:/bin", "CUSTOM_ENV_CI_JOB_ID": id]
                ).wait()
                for outcome in [byOption, byVariable] {
                    #expect(outcome.status == 2, "\(verb)")
                    #expect(outcome.errorText.contains("malformed"), "\(verb): \(outcome.errorText)")
                }
            }
            #expect(try !machines(of: host).contains("run-\(id)"))
        }
    }
}

extension Integration.Hostile {
    /// What the runner gives to the hooks of `job`, for those that another program starts or that get something else; nil
    /// takes a variable away.
    private func environment(of job: StandInJob, _ changes: [String: String?] = [:]) -> [String: String] {
        let variables = [
            "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin",
            "TMPDIR": job.temporary, "BUILD_FAILURE_EXIT_CODE": "1", "SYSTEM_FAILURE_EXIT_CODE": "2",
            "BUILD_EXIT_CODE_FILE": job.exitCodeFile, "JOB_RESPONSE_FILE": job.responseFile,
            "NSPAWN_RUNNER_STORE": job.host.store,
        ]
        return variables.merging(changes.compactMapValues { $0 }) { $1 }.filter { changes[$0.key] != .some(nil) }
    }

    /// Writes a file for `job` and answers its path.
    private func file(_ name: String, _ text: String, for job: StandInJob) throws -> String {
        let path = job.temporary + "/" + name
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        return path
    }

    /// Makes the image `name`, a copy of the usual one, for as long as `body` runs.
    private func withImage(_ name: String, of host: JobHost, _ body: (_ name: String, _ path: String) throws -> Void) throws {
        let path = host.store + "/" + name
        try command("btrfs", "-q", "subvolume", "snapshot", host.store + "/" + JobHost.image, path)
        defer { _ = try? command("btrfs", "-q", "subvolume", "delete", path) }
        try body(name, path)
    }

    private func machines(of host: JobHost) throws -> [String] {
        let path = host.store + "/.machines"
        return FileManager.default.fileExists(atPath: path) ? try FileManager.default.contentsOfDirectory(atPath: path) : []
    }

    /// systemd-nspawn and the init of a machine, when that has begun; with its init all of a machine ends.
    private func bootedProcesses(of machine: String) throws -> [Int32]? {
        let found = try command("pgrep", "-of", "systemd-nspawn .*--machine=\(machine) ", mayFail: true).text
        guard let supervisor = Int32(found.trimmingCharacters(in: .newlines)) else { return nil }
        let children = try command("pgrep", "-x", "-P", "\(supervisor)", "systemd", mayFail: true).text
        guard let leader = Int32(children.trimmingCharacters(in: .newlines)) else { return nil }
        return [supervisor, leader]
    }

    /// Whether there is such a process; one that only waits to be waited for has ended.
    private func isRunning(_ pid: Int32) -> Bool {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let state = stat.components(separatedBy: ") ").last?.first
        else { return false }
        return state != "Z" && state != "X"
    }

    /// Neither directory, process nor cgroup.
    private func expectNothing(
        of machine: String, on host: JobHost, location: SourceLocation = #_sourceLocation
    ) throws {
        #expect(try !machines(of: host).contains(machine), sourceLocation: location)
        let processes = try command("pgrep", "-af", "--", "--machine=\(machine) ", mayFail: true).text
        #expect(processes == "", sourceLocation: location)
        for line in try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8).split(separator: "\n")
        where line.contains(" - cgroup2 ") {
            let hierarchy = line.split(separator: " ")[4]
            for group in ["nspawn-runner/\(machine)", "machine.slice/nspawn-runner-\(machine).service"] {
                #expect(!FileManager.default.fileExists(atPath: "\(hierarchy)/\(group)"), sourceLocation: location)
            }
        }
    }
}

/// Takes connections and never says anything.
private final class SilentServer {
    let port: UInt16
    private var sockets: [Int32]

    init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        sockets = [listener]
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &size) == 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        try #require(isListening, "no server: \(String(cString: strerror(errno)))")
    }

    /// Whether somebody has come since.
    func accept() -> Bool {
        guard let listener = sockets.first else { return false }
        let client = Foundation.accept(listener, nil, nil)
        guard client >= 0 else { return false }
        // Another test's program would hold it open.
        _ = fcntl(client, F_SETFD, FD_CLOEXEC)
        sockets.append(client)
        return true
    }

    func close() {
        for descriptor in sockets { Foundation.close(descriptor) }
        sockets = []
    }
}
