import Foundation
import Testing

extension Integration {
    /// What goes wrong, and whose fault it is called. Rows N17, N18, N22, N23.
    @Suite struct Failures {
        @Test func `a failing script is the job's fault and its exit code is told`() throws {
            try StandInJob(jobHost()).withMachine { job in
                for code in ["1", "2", "3", "255"] {
                    let stage = try job.stage("exit \(code)")
                    #expect(stage.status == 1)
                    #expect(job.reportedExitCode == code + "\n")
                }
                #expect(try job.stage("false; echo not reached").text == "")
                #expect(try job.stage("true").status == 0)
            }
        }

        @Test func `a script that a signal ends has failed`() throws {
            try StandInJob(jobHost()).withMachine { job in
                for (signal, code) in [("KILL", "137"), ("SEGV", "139"), ("HUP", "129")] {
                    let stage = try job.stage("kill -\(signal) $$; sleep 5")
                    #expect(stage.status == 1, "\(signal)")
                    #expect(job.reportedExitCode == code + "\n", "\(signal)")
                }
            }
        }

        @Test(arguments: ["poweroff -ff", "reboot -ff", "systemctl halt --force --force", "kill -KILL 1; sleep 3"])
        func `a machine that ends under its script is the host's fault, never a success`(command: String) throws {
            let job = try StandInJob(jobHost())
            #expect(try job.prepare().status == 0)
            if command.hasPrefix("kill") {
                // PID 1 is immune from inside; it is killed as the host would.
                let stage = try job.startStage("sleep 30")
                usleep(300_000)
                let record = try String(contentsOfFile: job.host.store + "/.machines/\(job.machine)/machine.json", encoding: .utf8)
                let leader = try #require(record.components(separatedBy: "\"leader\"").last?.components(separatedBy: "\"pid\" : ")[1].prefix { $0.isNumber })
                kill(try #require(Int32(leader)), SIGKILL)
                #expect(stage.wait().status == 2)
            } else {
                let stage = try job.stage("\(command); sleep 30")
                #expect(stage.status == 2, "\(stage.text) \(stage.errorText)")
                #expect(stage.seconds < 10)
                #expect(stage.errorText.contains("went away"))
            }
            #expect(try job.stage("true").status == 2)
            #expect(try job.cleanup().status == 0)
        }

        @Test func `cancel ends the script and keeps the machine`() throws {
            try StandInJob(jobHost()).withMachine { job in
                let stage = try job.startStage("echo begun; sleep 1000 & wait")
                #expect(eventually(within: 10) { stage.outputSoFar.contains("begun") })
                stage.signal(SIGTERM)
                let outcome = stage.wait()
                #expect(outcome.status == 1)
                #expect(outcome.seconds < 8)
                #expect(try job.stage("pgrep -x sleep || echo none", name: "after_script").text == "none\n")
            }
        }

        @Test func `cancel makes a script end that does not listen`() throws {
            try StandInJob(jobHost()).withMachine { job in
                let directory = job.temporary + "/deaf"
                try "trap '' TERM\necho begun\nwhile :; do sleep 1; done\n".write(toFile: directory, atomically: false, encoding: .utf8)
                let stage = try job.hook(["run", directory, "build_script"])
                #expect(eventually(within: 10) { stage.outputSoFar.contains("begun") })
                stage.signal(SIGTERM)
                let outcome = stage.wait()
                #expect(outcome.status == 1)
                #expect(outcome.seconds > 9 && outcome.seconds < 20)
                #expect(try job.stage("echo still here").text == "still here\n")
            }
        }

        @Test func `cleanup succeeds twice, and without a machine`() throws {
            let job = try StandInJob(jobHost())
            #expect(try job.cleanup().status == 0)
            #expect(try job.prepare().status == 0)
            #expect(try job.cleanup().status == 0)
            #expect(try job.cleanup().status == 0)
        }

        @Test func `cleanup ends a machine while a stage runs in it`() throws {
            let job = try StandInJob(jobHost())
            #expect(try job.prepare().status == 0)
            let stage = try job.startStage("echo begun; sleep 1000")
            #expect(eventually(within: 10) { stage.outputSoFar.contains("begun") })
            #expect(try job.cleanup().status == 0)
            #expect(stage.wait().status == 2)
        }

        @Test func `SIGTERM undoes a prepare`() throws {
            let host = try jobHost()
            for delay in [5_000, 40_000, 150_000, 300_000] as [UInt32] {
                let job = try StandInJob(host)
                let prepare = try job.hook(["prepare"])
                usleep(delay)
                prepare.signal(SIGTERM)
                let outcome = prepare.wait()
                if outcome.status == 0 {
                    // It had ended before the signal came.
                    #expect(try job.cleanup().status == 0)
                } else {
                    #expect(!FileManager.default.fileExists(atPath: host.store + "/.machines/\(job.machine)"))
                }
            }
        }

        @Test func `a killed prepare leaves nothing that stops the next one`() throws {
            let host = try jobHost()
            for delay in [3_000, 20_000, 60_000, 120_000, 250_000] as [UInt32] {
                let job = try StandInJob(host)
                let first = try job.hook(["prepare"])
                usleep(delay)
                first.signal(SIGKILL)
                _ = first.wait()
                let second = try job.prepare()
                if second.status != 0 {
                    // What the killed one had started was up by then: cleanup comes first, as the runner does it.
                    #expect(second.errorText.contains("exists"), "\(second.errorText)")
                    #expect(try job.cleanup().status == 0)
                    #expect(try job.prepare().status == 0)
                }
                #expect(try job.stage("echo works").text == "works\n")
                #expect(try job.cleanup().status == 0)
            }
        }

        @Test func `the same job twice is refused and the first is unharmed`() throws {
            let job = try StandInJob(jobHost())
            #expect(try job.prepare().status == 0)
            let second = try job.prepare()
            #expect(second.status == 2)
            #expect(second.errorText.contains("machine \(job.machine) exists"))
            #expect(try job.stage("echo unharmed").text == "unharmed\n")
            #expect(try job.cleanup().status == 0)
        }

        @Test func `a stage without a machine is the host's fault`() throws {
            let job = try StandInJob(jobHost())
            let stage = try job.stage("true")
            #expect(stage.status == 2)
            #expect(stage.errorText.contains("machine \(job.machine) went away"))
        }

        @Test(arguments: ["nothere", "..", "a/..", "x/", ".git", "-D/", "a\nb", "a;b", "%i", "$(id)", "", String(repeating: "a", count: 300), "é", "debian:13", "debian@sha256:00"])
        func `an image that cannot be had is the job's fault, in one line, and leaves nothing`(image: String) throws {
            let host = try jobHost()
            let job = try StandInJob(host, image: image)
            let outcome = try job.prepare()
            #expect(outcome.status == 1)
            #expect(outcome.text == "")
            let lines = outcome.errorText.split(separator: "\n")
            #expect(lines.count == 1, "\(outcome.errorText)")
            #expect(outcome.errorText.contains("debian"), "the images there are should be named: \(outcome.errorText)")
            #expect(!FileManager.default.fileExists(atPath: host.store + "/.machines/\(job.machine)"))
        }

        @Test(arguments: ["../../etc", "a/b", "", "-x", ".x", "a\nb", "%i", "$(id)", String(repeating: "1", count: 300), "x..y"])
        func `a hostile id is refused`(id: String) throws {
            let host = try jobHost()
            for verb in ["prepare", "run", "cleanup"] {
                let outcome = try host.run(verb, "--id=\(id)")
                #expect(outcome.status != 0)
                #expect(outcome.errorText.split(separator: "\n").filter { !$0.hasPrefix("See '") && !$0.hasPrefix("Usage:") && !$0.hasPrefix("  ") }.count <= 2)
            }
        }

        @Test func `a job response that is no regular file is refused at once`() throws {
            let host = try jobHost()
            let fifo = host.directory + "/fifo-\(Int.random(in: 0..<Int.max))"
            try command("mkfifo", fifo)
            for file in [fifo, "/dev/zero", "/nonexistent/response.json", "/etc"] {
                let outcome = try host.start(["prepare"], environment: ["JOB_RESPONSE_FILE": file]).wait()
                #expect(outcome.status == 2)
                #expect(outcome.errorText.contains("job response"))
                #expect(outcome.seconds < 5)
            }
        }
    }
}
