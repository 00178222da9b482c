import Foundation
import Testing

extension Integration {
    /// What the host sees of a machine; rows N17 and N20 under engine `systemd`.
    @Suite struct Hosts {
        @Test func `the machine is visible by its name and its unit has the documented properties`() throws {
            let host = try jobHost()
            try StandInJob(host).withMachine { job in
                guard host.isSystemdHost else {
                    // Without systemd on the host the machine is a cgroup and a process with its name.
                    let process = try command("pgrep", "-af", "systemd-nspawn.*--machine=\(job.machine) ").text
                    #expect(process.contains("--settings=no --link-journal=no"))
                    #expect(process.contains("--suppress-sync=yes") && process.contains("--notify-ready=yes"))
                    return
                }
                #expect(try command("machinectl", "list", "--no-legend").text.contains(job.machine + " "))
                let properties = [
                    "KillMode": "mixed", "Type": "notify", "SuccessExitStatus": "133", "Slice": "machine.slice",
                    "Delegate": "yes", "TasksMax": "16384", "WatchdogUSec": "3min", "CPUWeight": "50",
                    "NotifyAccess": "main", "CollectMode": "inactive-or-failed",
                    "DevicePolicy": "closed", "TimeoutStopUSec": "10s", "RuntimeMaxUSec": "25min",
                ]
                let shown = try command("systemctl", "show", "nspawn-runner-\(job.machine).service").text
                let lines = Set(shown.split(separator: "\n").map(String.init))
                for (key, value) in properties { #expect(lines.contains("\(key)=\(value)"), "\(key)") }
                // A reboot inside ends the job's machine.
                #expect(!lines.contains("RestartForceExitStatus=133"))
                #expect(lines.contains { $0.hasPrefix("MemoryMax=") && !$0.hasSuffix("infinity") })
                #expect(shown.contains("machine-exec"))
                #expect(!shown.contains("secret-token"))
            }
        }

        @Test func `an engine that the host has not is refused by name`() throws {
            let host = try jobHost()
            if host.isSystemdHost {
                // Both work there: a direct machine beside systemd's.
                try StandInJob(host).withMachine("--engine", "direct") { job in
                    let stage = try job.stage("echo direct")
                    #expect(stage.text == "direct\n")
                }
            } else {
                let job = try StandInJob(host)
                let outcome = try job.prepare("--engine", "systemd")
                #expect(outcome.status == 2)
                #expect(outcome.errorText.contains("systemd"))
                #expect(!FileManager.default.fileExists(atPath: host.store + "/.machines/\(job.machine)"))
            }
        }

        @Test func `a machine ends by itself when its job's time is over and nobody cleans up`() throws {
            let host = try jobHost()
            let configuration = host.directory + "/grace-\(Int.random(in: 0..<Int.max)).toml"
            try "timeout_grace_seconds = 2\n".write(toFile: configuration, atomically: false, encoding: .utf8)
            let job = try StandInJob(host, timeout: 1)
            let prepared = try job.prepare("--config", configuration)
            #expect(prepared.status == 0, "\(prepared.errorText)")
            let machine = host.store + "/.machines/\(job.machine)"
            #expect(FileManager.default.fileExists(atPath: machine))
            #expect(eventually(within: 20) { !FileManager.default.fileExists(atPath: machine) })
            let processes = try command("pgrep", "-f", "systemd-nspawn.*--machine=\(job.machine) ", mayFail: true)
            #expect(processes.text == "")
            #expect(try job.cleanup().status == 0)
        }

        @Test func `systemd-nspawn killed from outside leaves nothing running, and cleanup clears up`() throws {
            let host = try jobHost()
            let job = try StandInJob(host)
            #expect(try job.prepare().status == 0)
            let record = try String(contentsOfFile: host.store + "/.machines/\(job.machine)/machine.json", encoding: .utf8)
            func pid(_ key: String) throws -> Int32 {
                let text = try #require(record.components(separatedBy: "\"\(key)\"").last).components(separatedBy: "\"pid\" : ")[1]
                return try #require(Int32(text.prefix { $0.isNumber }))
            }
            let leader = try pid("leader")
            kill(try pid("supervisor"), SIGKILL)
            #expect(eventually(within: 15) { kill(leader, 0) != 0 })
            // Nobody has to come for it: the reaper, or systemd's ExecStopPost, removes what is left.
            #expect(eventually(within: 15) { !FileManager.default.fileExists(atPath: host.store + "/.machines/\(job.machine)") })
            #expect(try job.cleanup().status == 0)
            #expect(!FileManager.default.fileExists(atPath: host.store + "/.machines/\(job.machine)"))
        }
    }
}
