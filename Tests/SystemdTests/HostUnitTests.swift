import CLinux
import Glibc
import LinuxSystem
import SystemPackage
import Testing

@testable import Systemd

/// Units on a host that systemd runs; place H.
@Suite(.hostHasSystemd, .serialized) struct HostUnitTests {
    let unit: TransientUnit
    let file: String

    init() throws {
        var bits: UInt64 = 0
        _ = clinux_random(&bits, 8)
        unit = TransientUnit("nspawn-runner-test-\(String(bits, radix: 16)).service")
        file = "/run/nspawn-runner-test-\(String(bits, radix: 16))"
    }

    /// Runs `body` and leaves no unit behind.
    private func clean<Result>(_ body: (borrowing Bus) throws -> Result) throws -> Result {
        let bus = try Bus.system()
        defer {
            unlink(file)
            try? unit.stop(on: bus)
            try? unit.resetFailed(on: bus)
            #expect((try? unit.exists(on: bus)) == false)
        }
        return try body(bus)
    }

    private var contents: String {
        guard let file = try? FileDescriptor.open(self.file, .readOnly) else { return "" }
        defer { try? file.close() }
        return (try? file.readAll(limit: 1 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private func systemctl(_ arguments: String...) throws {
        let child = try spawn(
            ["/usr/bin/systemctl"] + arguments, environment: ["PATH=/usr/bin:/bin"], input: -1, output: file)
        #expect(clinux_wait(child) == 0)
    }

    private func sleeper() -> UnitProperties {
        var properties = UnitProperties()
        properties.type = .exec
        properties.collectMode = .inactiveOrFailed
        return properties
    }

    @Test func `a unit is up when it says so, and has its properties, also after a reload`() throws {
        try clean { bus in
            var properties = UnitProperties()
            properties.description = "a %i $X machine"
            properties.type = .notify
            properties.notifyAccess = .all
            properties.killMode = .mixed
            properties.collectMode = .inactiveOrFailed
            properties.slice = "machine.slice"
            properties.delegate = true
            properties.tasksMax = 16384
            properties.watchdog = .seconds(180)
            properties.successExitStatus = (codes: [133], signals: [SIGUSR1])
            properties.cpuWeight = 50
            properties.cpuQuotaPerSecond = .seconds(2)
            properties.memoryHighShare = UnitProperties.Share(0.5)
            properties.memoryMaxBytes = 1 << 30
            properties.timeoutStart = .seconds(20)
            properties.timeoutStop = .seconds(7)
            properties.runtimeMax = .seconds(3600)
            properties.devicePolicy = .closed
            properties.deviceAllow = [.init("/dev/fuse", "rw"), .init("char-pts", "rw")]
            properties.environment = ["A=$B %i", "C=d e"]
            properties.execStopPost = ["/usr/bin/touch", "\(file) %i '\"\\"]
            properties.standardOutput = .journal
            properties.standardError = .append(path: "/dev/null")
            properties.syslogIdentifier = "nspawn-runner"
            try unit.start(
                on: bus, properties,
                exec: ["/bin/sh", "-c", "sleep 0.3; systemd-notify --ready; exec sleep 600", "$X", "%i", "$$"])
            #expect(try unit.activeState(on: bus) == "active")
            #expect(try unit.controlGroup(on: bus) == "/machine.slice/\(unit.name)")
            #expect(try unit.mainProcess(on: bus) > 1)
            let expected = [
                "Type=notify", "NotifyAccess=all", "KillMode=mixed", "CollectMode=inactive-or-failed",
                "Slice=machine.slice", "Delegate=yes", "TasksMax=16384", "WatchdogUSec=3min",
                "SuccessExitStatus=133 USR1", "CPUWeight=50", "CPUQuotaPerSecUSec=2s", "MemoryMax=1073741824",
                "TimeoutStartUSec=20s", "TimeoutStopUSec=7s", "RuntimeMaxUSec=1h", "DevicePolicy=closed",
                "DeviceAllow=char-pts rw", "DeviceAllow=/dev/fuse rw", #"Environment="A=\$B %i" "C=d e""#,
                "StandardOutput=journal", "StandardError=append", "SyslogIdentifier=nspawn-runner",
                "LoadState=loaded", "Description=a %i $X machine",
            ]
            for command in ["show", "daemon-reload", "show"] {
                unlink(file)
                if command == "show" { try systemctl("show", unit.name) } else { try systemctl(command) }
                let lines = Set(contents.split(separator: "\n").map(String.init))
                if command == "show" { for line in expected { #expect(lines.contains(line), "\(line)") } }
                if command == "show" {
                    #expect(lines.contains { $0.hasPrefix("MemoryHigh=") && !$0.hasSuffix("infinity") })
                }
            }
            unlink(file)
            try unit.stop(on: bus)
            // The program that ends it is still the one that was given.
            #expect(unlink("\(file) %i '\"\\") == 0)
        }
    }

    @Test func `arguments are literal`() throws {
        try clean { bus in
            let arguments = ["$$", "$X", "${HOME}", "%i", "%%", "a b", "\\x41", "\"q'", ";", "", "é", "-", "@", "+"]
            var properties = UnitProperties()
            properties.type = .oneshot
            properties.environment = ["X=expanded"]
            properties.standardOutput = .truncate(path: file)
            try unit.start(on: bus, properties, exec: ["/usr/bin/printf", "[%s]\\n"] + arguments)
            #expect(contents == arguments.map { "[\($0)]\n" }.joined())
        }
    }

    @Test func `a failed start says why, also of a unit that is collected at once`() throws {
        try clean { bus in
            #expect(
                throws: UnitError.jobFailed(unit: unit.name, job: "failed", result: "exit-code", status: 203)
            ) { try unit.start(on: bus, sleeper(), exec: ["/no/such"]) }
            let exists = try unit.exists(on: bus)
            #expect(!exists)
            var properties = sleeper()
            properties.type = .notify
            #expect(
                throws: UnitError.jobFailed(unit: unit.name, job: "failed", result: "exit-code", status: 5)
            ) { try unit.start(on: bus, properties, exec: ["/bin/sh", "-c", "exit 5"]) }
            #expect(
                throws: UnitError.jobFailed(unit: unit.name, job: "failed", result: "signal", status: -SIGKILL)
            ) { try unit.start(on: bus, properties, exec: ["/bin/sh", "-c", "kill -KILL $$"]) }
            properties.timeoutStart = .milliseconds(300)
            #expect { try unit.start(on: bus, properties, exec: ["/bin/sleep", "60"]) } throws: {
                guard case UnitError.jobFailed(_, _, "timeout", _) = $0 else { return false }
                return true
            }
        }
    }

    @Test func `a name is taken once`() throws {
        try clean { bus in
            try unit.start(on: bus, sleeper(), exec: ["/bin/sleep", "60"])
            #expect { try unit.start(on: bus, sleeper(), exec: ["/bin/sleep", "60"]) } throws: {
                ($0 as? BusError)?.name == .unitExists
            }
            #expect(try unit.activeState(on: bus) == "active")
        }
    }

    @Test func `a bad property names itself`() throws {
        try clean { bus in
            var properties = sleeper()
            properties.slice = "no slice"
            #expect { try unit.start(on: bus, properties, exec: ["/bin/true"]) } throws: {
                ($0 as? BusError)?.name == .invalidArguments
            }
            #expect { try unit.start(on: bus, sleeper(), exec: ["relative/path"]) } throws: { $0 is BusError }
            #expect { try unit.start(on: bus, sleeper(), exec: []) } throws: { $0 is BusError }
            #expect { try TransientUnit("no suffix").start(on: bus, sleeper(), exec: ["/bin/true"]) } throws: {
                ($0 as? BusError)?.name == .invalidArguments
            }
        }
    }

    @Test func `a wait ends at its time and by the other descriptor`() throws {
        try clean { bus in
            var properties = sleeper()
            properties.type = .notify
            let never = ["/bin/sleep", "60"]
            #expect(throws: UnitError.timedOut(unit: unit.name, after: .milliseconds(300))) {
                try unit.start(on: bus, properties, exec: never, timeout: .milliseconds(300))
            }
            #expect(try unit.activeState(on: bus) == "activating")
            try unit.stop(on: bus)
            let pipe = try TestPipe()
            try pipe.writeEnd.writeAll([0])
            #expect(throws: UnitError.interrupted(unit: unit.name)) {
                try unit.start(on: bus, properties, exec: never, interrupt: pipe.readEnd)
            }
            try unit.stop(on: bus)
            #expect(try !unit.exists(on: bus))
        }
    }

    @Test func `a signal reaches all processes`() throws {
        try clean { bus in
            try unit.start(on: bus, sleeper(), exec: ["/bin/sh", "-c", "trap '' TERM; sleep 60; sleep 60"])
            try unit.kill(on: bus, signal: SIGKILL)
            let deadline = Deadline(after: .seconds(5))
            while try unit.exists(on: bus) && !deadline.hasPassed { Deadline.pause(.milliseconds(5)) }
            #expect { try unit.kill(on: bus, signal: SIGKILL) } throws: { ($0 as? BusError)?.name == .noSuchUnit }
        }
    }

    @Test func `many starts on one connection`() throws {
        try clean { bus in
            for _ in 0..<20 {
                try unit.start(on: bus, sleeper(), exec: ["/bin/sleep", "60"])
                try unit.stop(on: bus)
            }
        }
    }

    @Test func `a machine is registered, entered and gone`() throws {
        let name = "t\(file.split(separator: "-").last ?? "")"
        try clean { bus in
            #expect(try MachineManager.machine(name, on: bus) == nil)
            var properties = sleeper()
            properties.type = .notify
            properties.notifyAccess = .main
            properties.killMode = .mixed
            properties.slice = "machine.slice"
            properties.delegate = true
            properties.successExitStatus = (codes: [133], signals: [])
            properties.standardOutput = .null
            properties.standardError = .truncate(path: file)
            // The host's own /usr in a root that is empty otherwise.
            try unit.start(
                on: bus, properties,
                exec: [
                    "/usr/bin/systemd-nspawn", "--quiet", "--keep-unit", "--settings=no", "--link-journal=no", "--boot",
                    "--machine=\(name)", "--directory=/", "--volatile=yes", "--notify-ready=yes",
                    "--console=read-only", "--resolv-conf=off", "--timezone=off", "systemd.firstboot=no",
                    "systemd.unit=basic.target",
                ], timeout: .seconds(60))
            let machine = try #require(try MachineManager.machine(name, on: bus))
            #expect(machine.unit == unit.name)
            #expect(machine.leader > 1)
            #expect(try MachineManager.names(on: bus).contains(name))
            let inside = try Bus.machine(leader: machine.leader)
            #expect(try TransientUnit("basic.target").activeState(on: inside) == "active")
            try unit.stop(on: bus)
            #expect(try MachineManager.machine(name, on: bus) == nil)
            #expect { try TransientUnit("basic.target").activeState(on: inside) } throws: {
                ($0 as? BusError)?.name == .disconnected
            }
        }
    }
}
