import Foundation
import Testing

/// Everything that needs the built executable, a store and a real image; one host for all of it.
@Suite(.jobHost) struct Integration {}

extension Integration {
    /// Whole jobs as GitLab Runner runs them. Rows B1, B9, N8, N10, N11, N15, N18, N21-N23, N26, N28, N29, N31.
    @Suite struct Jobs {
        @Test(arguments: ["snapshot", "overlay", "reflink", "copy"], ["auto", "no"])
        func `a job runs from prepare to cleanup on every clone method`(method: String, users: String) throws {
            let host = try jobHost()
            let job = try StandInJob(host)
            let config = try job.config()
            #expect(config.status == 0 && config.errorText == "")
            let prepared = try job.prepare("--clone", method, "--private-users", users)
            #expect(prepared.status == 0, "\(prepared.errorText)")
            let engine = host.isSystemdHost ? "systemd" : "direct"
            #expect(
                prepared.text
                    == "nspawn-runner: machine \(job.machine) from image debian, clone method \(method), engine \(engine)\n")
            #expect(try job.stage("echo prepared", name: "prepare_script").text == "prepared\n")
            let first = try job.stage("mkdir -p /builds/a && cd /builds/a && echo from-one > file && git init -q .")
            #expect(first.status == 0, "\(first.errorText)")
            let second = try job.stage("cat /builds/a/file; git -C /builds/a status --short; whoami; pwd; echo $HOME $USER")
            #expect(second.text == "from-one\n?? file\nroot\n/\n/root root\n")
            let mapped = try job.stage("cut -c1-10 /proc/self/uid_map").text.contains("         0")
            #expect(mapped)
            let base = try job.stage("awk '{print $2}' /proc/self/uid_map").text
            #expect((base == "0\n") == (users == "no"))
            #expect(try job.cleanup().status == 0)
            #expect(!FileManager.default.fileExists(atPath: host.store + "/.machines/\(job.machine)"))
        }

        @Test func `the image stays as it was`() throws {
            let host = try jobHost()
            for method in ["snapshot", "overlay"] {
                try StandInJob(host).withMachine("--clone", method) { job in
                    let stage = try job.stage(
                        "echo changed > /etc/issue; rm /etc/debian_version; touch /new; chmod 4755 /bin/dash")
                    #expect(stage.status == 0, "\(stage.errorText)")
                }
            }
            let image = host.store + "/" + JobHost.image
            #expect(!FileManager.default.fileExists(atPath: image + "/new"))
            let difference = try command(
                "rsync", "-aHAXn", "--itemize-changes", "--delete", image + "/",
                host.store + "/" + JobHost.plainImage + "/")
            #expect(difference.text == "")
        }

        @Test func `a process that one stage starts serves the next`() throws {
            try StandInJob(jobHost()).withMachine { job in
                let server = try job.stage(
                    """
                    cd /root && mkfifo question answer
                    while read -r line < question; do echo "hello $line" > answer; done &
                    """)
                #expect(server.status == 0)
                for name in ["one", "two"] {
                    let client = try job.stage("cd /root && echo \(name) > question && cat answer")
                    #expect(client.text == "hello \(name)\n", "\(client.errorText)")
                }
            }
        }

        @Test func `a background process that holds the output neither blocks its stage nor dies with it`() throws {
            try StandInJob(jobHost()).withMachine { job in
                let stage = try job.stage("(sleep 1; echo late; sleep 1; echo more; echo alive > /root/proof; sleep 300) & echo done")
                #expect(stage.text == "done\n")
                #expect(stage.seconds < 1, "the stage waited for the process that it left")
                let proof = try job.stage("for i in $(seq 50); do test -e /root/proof && break; sleep 0.1; done; cat /root/proof")
                #expect(proof.text == "alive\n")
            }
        }

        @Test func `output passes through byte for byte, both streams apart`() throws {
            try StandInJob(jobHost()).withMachine { job in
                let stage = try job.stage(
                    "python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256))*4000); sys.stderr.buffer.write(b\"\\xff\\x00e\")'")
                // Not compared within the macro, which would look for the differences of a megabyte.
                let isSame = stage.output == Data((0..<4000).flatMap { _ in UInt8.min...UInt8.max })
                #expect(isSame)
                #expect(stage.error == Data([0xFF, 0, UInt8(ascii: "e")]))
                let large = try job.stage("head -c 50000000 /dev/zero | tr '\\\\0' x")
                #expect(large.output.count == 50_000_000)
            }
        }

        @Test func `the script and nothing else of the runner reaches the machine`() throws {
            try StandInJob(jobHost()).withMachine { job in
                let stage = try job.stage("env; cat; ls /proc/self/fd | wc -l; tty || true; tr '\\\\0' ' ' < /proc/1/cmdline")
                #expect(!stage.text.contains("RUNNER_SECRET") && !stage.text.contains("CUSTOM_ENV"))
                #expect(!stage.text.contains("BUILD_EXIT_CODE_FILE"))
                #expect(stage.text.contains("not a tty"))
            }
        }

        @Test func `a stage can run as soon as prepare has ended`() throws {
            let host = try jobHost()
            for _ in 0..<5 {
                try StandInJob(host).withMachine { job in
                    let state = try job.stage("systemctl is-system-running --wait || true")
                    #expect(state.text == "running\n", "\(state.text)\(state.errorText)")
                }
            }
        }

        @Test func `eight machines of one image run at once, each with users of its own`() async throws {
            let host = try jobHost()
            let bases = try await withThrowingTaskGroup(of: String.self) { group in
                for index in 0..<8 {
                    group.addTask {
                        try await onThread {
                            var base = ""
                            try StandInJob(host).withMachine("--clone", index % 2 == 0 ? "snapshot" : "overlay") { job in
                                base = try job.stage("awk '{print $2}' /proc/self/uid_map; sleep 1").text
                            }
                            return base
                        }
                    }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(bases.count == 8, "two machines had the same ids: \(bases)")
        }

        @Test func `a job by hand needs no runner`() throws {
            let host = try jobHost()
            let id = "hand-\(Int.random(in: 0..<1_000_000))"
            #expect(try host.run("prepare", "--id", id, JobHost.image).status == 0)
            let script = try host.run("run", "--id", id, "--shell", "/bin/sh", input: "echo $0; cat; exit 3\nrest\n")
            #expect(script.status == 3)
            #expect(script.text.hasPrefix("/bin/sh\n"))
            #expect(try host.run("cleanup", "--id", id).status == 0)
        }

        @Test func `images are chosen by argument, by the job, by default`() throws {
            let host = try jobHost()
            func chosen(_ image: String?, _ arguments: String...) throws -> String {
                let job = try StandInJob(host, image: image)
                let outcome = try job.hook(["prepare"] + arguments).wait()
                #expect(try job.cleanup().status == 0)
                return outcome.status == 0 ? outcome.text.components(separatedBy: "image ")[1].components(separatedBy: ",")[0] : "exit \(outcome.status)"
            }
            #expect(try chosen("debian") == "debian")
            #expect(try chosen("registry.example.com:5000/group/debian:latest", "--default-image", "x") == "debian")
            #expect(try chosen("debian:plain") == "debian-plain")
            #expect(try chosen("debian", JobHost.plainImage) == "debian-plain")
            #expect(try chosen(nil, "--default-image", "debian") == "debian")
            #expect(try chosen(nil) == "exit 1")
        }

        @Test func `only systemd-nspawn is executed between prepare and cleanup`() throws {
            let host = try jobHost()
            let job = try StandInJob(host)
            let trace = job.temporary + "/trace"
            let script = job.temporary + "/whole-job"
            try "echo in the machine; ls / > /dev/null\n".write(toFile: job.temporary + "/stage", atomically: false, encoding: .utf8)
            try """
                set -e
                E=\(host.executable)
                export JOB_RESPONSE_FILE=\(job.responseFile) NSPAWN_RUNNER_STORE=\(host.store)
                $E gitlab-config; $E prepare; $E run \(job.temporary)/stage build_script; $E run \(job.temporary)/stage after_script; $E cleanup
                """.write(toFile: script, atomically: false, encoding: .utf8)
            let outcome = try command(
                "strace", "-f", "-q", "--decode-pids=pidns", "-e", "trace=execve,execveat,clone,clone3,fork,vfork,unshare", "-e", "signal=none", "-o", trace,
                "sh", script)
            #expect(outcome.text.contains("in the machine"))
            let programs = try ExecutionTrace(file: trace).programsOutsideMachines()
            let ours = URL(fileURLWithPath: host.executable).lastPathComponent
            var expected: Set = ["sh", ours]
            if !host.isSystemdHost { expected.insert("systemd-nspawn") }
            #expect(Set(programs.map { $0 == "exe" ? ours : $0 }) == expected)
        }
    }
}

/// Runs blocking work on a thread of its own.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Swift.Result { try body() }) }.start()
    }
}
