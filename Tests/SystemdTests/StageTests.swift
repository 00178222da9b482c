import CLinux
import Glibc
import LinuxSystem
import SystemPackage
import Testing

@testable import Systemd

/// What came out of a program in a machine.
struct Outcome {
    var end: StageEnd
    var output: [UInt8] = []
    var error: [UInt8] = []
    /// Whether somebody still holds the output open.
    var hasWriters = false

    var outputText: String { String(decoding: output, as: UTF8.self) }
    var errorText: String { String(decoding: error, as: UTF8.self) }
}

/// A pipe whose ends are closed with it.
final class TestPipe {
    let readEnd: FileDescriptor
    let writeEnd: FileDescriptor
    private var isWritable = true

    init() throws {
        var (read, write) = (CInt(-1), CInt(-1))
        try check("pipe2", []) { clinux_pipe(&read, &write, 0) }
        (readEnd, writeEnd) = (FileDescriptor(rawValue: read), FileDescriptor(rawValue: write))
    }

    func closeWriteEnd() {
        if isWritable { try? writeEnd.close() }
        isWritable = false
    }

    deinit {
        try? readEnd.close()
        closeWriteEnd()
    }
}

let defaultEnvironment = ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"]

extension TestMachine {
    func bus(timeout: Duration = .seconds(5)) throws -> Bus { try .machine(leader: leader, timeout: timeout) }

    /// Runs a shell script given on standard input, as executors do, and relays in one poll loop.
    func run(
        _ script: String, exec: [String] = ["/bin/bash"], environment: [String: String] = defaultEnvironment,
        workingDirectory: String = "/", signal: (after: String, number: Int32)? = nil,
        patience: Duration = .seconds(60),
        drains: Bool = false, onOutput: (([UInt8]) -> Void)? = nil
    ) throws -> Outcome {
        let input = try check("memfd_create", []) {
            Array(script.utf8).withUnsafeBytes { clinux_sealed_memory("script", $0.baseAddress, $0.count) }
        }
        let output = try TestPipe()
        let error = try TestPipe()
        let command = StageCommand(
            exec: exec, environment: environment, workingDirectory: workingDirectory, description: "stage of a test")
        var stage = try MachineStage.start(
            command, input: FileDescriptor(rawValue: input), output: output.writeEnd,
            error: error.writeEnd, on: bus(), patience: patience)
        Glibc.close(input)
        output.closeWriteEnd()
        error.closeWriteEnd()
        try output.readEnd.setNonblocking(true)
        try error.readEnd.setNonblocking(true)
        var outcome = Outcome(end: .exited(code: -1))
        var isSignalSent = false
        while true {
            let end = try stage.process()
            // After the end is known everything written before it is in the pipes.
            let outputIsOpen = read(output.readEnd, into: &outcome.output)
            let errorIsOpen = read(error.readEnd, into: &outcome.error)
            if let end {
                outcome.end = end
                outcome.hasWriters = outputIsOpen
                if drains { try stage.drain(output.readEnd) }
                return outcome
            }
            onOutput?(outcome.output)
            if let signal, !isSignalSent, outcome.outputText.contains(signal.after) {
                isSignalSent = true
                try stage.kill(signal: signal.number)
            }
            var items = [
                clinux_poll(descriptor: stage.descriptor.rawValue, events: stage.events, ready: 0),
                clinux_poll(
                    descriptor: outputIsOpen ? output.readEnd.rawValue : -1, events: Int16(POLLIN), ready: 0),
                clinux_poll(
                    descriptor: errorIsOpen ? error.readEnd.rawValue : -1, events: Int16(POLLIN), ready: 0),
            ]
            _ = clinux_poll(&items, 3, stage.timeout.pollMilliseconds)
        }
    }

    /// Reads all there is; answers whether more may come.
    private func read(_ descriptor: FileDescriptor, into bytes: inout [UInt8]) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            guard let count = try? buffer.withUnsafeMutableBytes({ try descriptor.read(into: $0) }) else { return true }
            if count == 0 { return false }
            bytes.append(contentsOf: buffer[..<count])
        }
    }
}

private let plain = TestMachine.Options()
private let mapped = TestMachine.Options(hasUserNamespace: true, hasDBus: false)

/// The same on a machine without a user namespace and on one with, which also lacks a D-Bus daemon.
@Suite(.canBoot, .serialized, .machines([plain, mapped])) struct StageTests {
    func machine(_ options: TestMachine.Options) throws -> TestMachine {
        try #require(SharedMachines.machines[options])
    }

    @Test(arguments: [plain, mapped], [0, 3, 203, 255] as [Int32])
    func `the exit code is the program's`(options: TestMachine.Options, code: Int32) throws {
        #expect(try machine(options).run("sleep 0.1; exit \(code)").end == .exited(code: code))
    }

    @Test(arguments: [plain, mapped])
    func `a program that ends at once is seen as well`(options: TestMachine.Options) throws {
        let machine = try machine(options)
        for _ in 0..<20 {
            #expect(try machine.run("", exec: ["/bin/true"]).end == .exited(code: 0))
            #expect(try machine.run("", exec: ["/bin/false"]).end == .exited(code: 1))
            // Three in ten of these were taken for systemd's own 203: the start job fails as well.
            #expect(try machine.run("exit 203", exec: ["/bin/sh"]).end == .exited(code: 203))
            #expect(try machine.run("exit 200").end == .exited(code: 200))
        }
    }

    @Test(arguments: [plain, mapped], [SIGTERM, SIGKILL, SIGHUP, SIGPIPE])
    func `a signal is never an exit code`(options: TestMachine.Options, signal: Int32) throws {
        #expect(
            try machine(options).run("kill -\(signal) $$; sleep 5").end
                == .signaled(signal: signal, dumpedCore: false))
    }

    @Test(arguments: [plain, mapped], [SIGTERM, SIGKILL])
    func `a signal from outside reaches every process`(options: TestMachine.Options, signal: Int32) throws {
        let start = Deadline(after: .seconds(10))
        let outcome = try machine(options).run("sleep 60 & echo up; wait", signal: (after: "up", number: signal))
        #expect(outcome.end == .signaled(signal: signal, dumpedCore: false))
        #expect(try machine(options).run("cat /proc/[0-9]*/comm | grep -x sleep").outputText == "")
        #expect(!start.hasPassed)
    }

    @Test(arguments: [plain, mapped])
    func `standard output and error stay apart`(options: TestMachine.Options) throws {
        let outcome = try machine(options).run("echo out; echo err >&2; pwd", workingDirectory: "/usr")
        #expect(outcome.outputText == "out\n/usr\n")
        #expect(outcome.errorText == "err\n")
        #expect(outcome.end == .exited(code: 0))
    }

    @Test(arguments: [plain, mapped])
    func `20 MB come through whole`(options: TestMachine.Options) throws {
        let outcome = try machine(options).run("head -c 20000000 /dev/zero | tr '\\0' x; echo end >&2; exit 7")
        #expect(outcome.end == .exited(code: 7))
        #expect(outcome.output.count == 20_000_000)
        #expect(outcome.output.allSatisfy { $0 == UInt8(ascii: "x") })
        #expect(outcome.errorText == "end\n")
    }

    @Test func `arguments are literal`() throws {
        let arguments = ["$$", "$X", "${HOME}", "%i", "%%", "a b", "\\x41", "\"q'", ";", "", "é"]
        let outcome = try machine(plain).run(
            "", exec: ["/usr/bin/printf", "[%s]\\n"] + arguments, environment: ["X": "expanded", "HOME": "/root"])
        #expect(outcome.outputText == arguments.map { "[\($0)]\n" }.joined())
    }

    @Test(arguments: [plain, mapped])
    func `the environment is exactly what was given`(options: TestMachine.Options) throws {
        let environment = ["A": "$HOME %i \"'\\ $$\n\u{1}", "EMPTY": "", "HOME": "/nowhere"]
        let outcome = try machine(options).run("", exec: ["/usr/bin/env", "-0"], environment: environment)
        #expect(
            Set(outcome.outputText.split(separator: "\0").map(String.init))
                == Set(environment.map { "\($0.key)=\($0.value)" }))
    }

    @Test func `pipelines end as in a shell`() throws {
        // systemd ignores SIGPIPE by default, so that this was 1, with a complaint.
        let outcome = try machine(plain).run("yes | head -n 1; echo ${PIPESTATUS[0]}")
        #expect(outcome.outputText == "y\n141\n")
        #expect(outcome.errorText == "")
    }

    @Test(arguments: [plain, mapped])
    func `a program that cannot start is no exit code`(options: TestMachine.Options) throws {
        let machine = try machine(options)
        #expect(
            try machine.run("", exec: ["/no/such/program"]).end == .notStarted(result: "exit-code", status: 203))
        #expect(
            try machine.run("", workingDirectory: "/no/such").end == .notStarted(result: "exit-code", status: 200))
        #expect(throws: BusError.self) { try machine.run("", environment: ["A-B": "x"]) }
        #expect(throws: BusError.self) { try machine.run("", environment: ["A": "x\u{0}"]) }
    }

    @Test(arguments: [plain, mapped], [0, 3])
    func `a background process outlives its stage`(options: TestMachine.Options, code: Int) throws {
        let machine = try machine(options)
        let mark = "/run/background-\(code)"
        let first = try machine.run(
            "sleep 1000 </dev/null >/dev/null 2>&1 & echo $! >\(mark); exit \(code)")
        #expect(first.end == .exited(code: Int32(code)))
        let second = try machine.run(
            "sleep 0.3; cat /proc/$(cat \(mark))/comm; kill $(cat \(mark)) && systemctl is-active nspawn-runner-stage-x"
        )
        #expect(second.outputText.hasPrefix("sleep\n"))
        #expect(second.end == .exited(code: 3))
    }

    @Test(arguments: [plain, mapped], ["exit 0", "exit 3", "kill $$", "kill -KILL $$"])
    func `nobody writes any more when nothing was left behind`(options: TestMachine.Options, script: String) throws {
        // An active unit's systemd held the program's output open, so that its end was never seen.
        let machine = try machine(options)
        #expect(try !machine.run(script).hasWriters)
        #expect(
            try machine.run("systemctl list-units --all --plain --no-legend 'nspawn-runner-stage*' | wc -l").outputText
                == "1\n")
    }

    @Test(arguments: [plain, mapped])
    func `a background process can write on after its stage`(options: TestMachine.Options) throws {
        let machine = try machine(options)
        let mark = "/run/writer"
        // Without a reader the second echo would end it by SIGPIPE.
        let first = try machine.run(
            "(trap - PIPE; sleep 0.3; echo one; sleep 0.1; head -c 1000000 /dev/zero; echo done >\(mark)) & exit 0",
            drains: true)
        #expect(first.end == .exited(code: 0))
        #expect(first.hasWriters)
        let second = try machine.run(
            "for i in $(seq 50); do [ -e \(mark) ] && break; sleep 0.1; done; cat \(mark); rm \(mark); sleep 0.2; "
                + "systemctl list-units --all --plain --no-legend 'nspawn-runner-drain-*'")
        #expect(second.outputText == "done\n")
    }

    @Test func `nothing is drained where nobody writes`() throws {
        let pipe = try TestPipe()
        pipe.closeWriteEnd()
        let machine = try machine(plain)
        let null = try FileDescriptor.open("/dev/null", .readWrite)
        defer { try? null.close() }
        let stage = try MachineStage.start(
            StageCommand(exec: ["/bin/true"], environment: [:], description: "x"), input: null, output: null,
            error: null, on: machine.bus())
        #expect(try stage.drain(pipe.readEnd) == false)
    }

    @Test(arguments: [plain, mapped])
    func `an upgrade of the machine's systemd does not lose the stage`(options: TestMachine.Options) throws {
        // An upgrade executes systemd anew, which drops every connection of its private socket.
        let outcome = try machine(options).run("systemctl daemon-reexec; echo after; sleep 0.5; exit 4")
        #expect(outcome.outputText == "after\n")
        #expect(outcome.end == .exited(code: 4))
        #expect(try machine(options).run("systemctl daemon-reload; exit 5").end == .exited(code: 5))
        // ExecStartEx was not known any more after it.
        let states = try machine(options).run(
            "systemctl daemon-reload; systemctl show -p LoadState --value $(sed -n 's|.*/||p' /proc/self/cgroup)")
        #expect(states.outputText == "loaded\n")
    }

    @Test func `a stopped stage is no success`() throws {
        let machine = try machine(plain)
        // The trap would turn the stop into an exit code of 0.
        #expect(throws: UnitError.self) {
            try machine.run(
                "trap 'exit 0' TERM; systemctl stop --no-block $(sed -n 's|.*/||p' /proc/self/cgroup); sleep 10 & wait")
        }
    }

    @Test func `limits of the machine's systemd do not hold for stages`() throws {
        let outcome = try machine(plain).run(
            "systemctl show -p TasksMax -p OOMPolicy -p KillMode $(sed -n 's|.*/||p' /proc/self/cgroup)")
        #expect(
            Set(outcome.outputText.split(separator: "\n")) == [
                "TasksMax=infinity", "OOMPolicy=continue", "KillMode=process",
            ])
    }

    @Test func `silence is no loss while the machine answers`() throws {
        #expect(try machine(plain).run("sleep 2; exit 6", patience: .milliseconds(400)).end == .exited(code: 6))
    }

    @Test func `no descriptor stays open`() throws {
        let machine = try machine(mapped)
        func open() throws -> Int {
            var count = 0
            try Directory("/proc/self/fd").forEachEntry { _, _ in count += 1 }
            return count
        }
        // Other suites run at the same time: a leak would show in each of these.
        var growth = Int.max
        for _ in 0..<3 {
            let before = try open()
            _ = try machine.run("systemctl daemon-reexec")
            for _ in 0..<9 { _ = try machine.run("sleep 0.1 &", drains: true) }
            growth = min(growth, try open() - before)
        }
        #expect(growth < 9)
    }

    @Test func `a unit of a machine can be looked at`() throws {
        let bus = try machine(mapped).bus()
        let journal = TransientUnit("systemd-journald.service")
        #expect(try journal.exists(on: bus))
        #expect(try journal.activeState(on: bus) == "active")
        #expect(try journal.result(on: bus) == "success")
        #expect(try journal.controlGroup(on: bus).hasSuffix("/system.slice/systemd-journald.service"))
        #expect(try journal.mainProcess(on: bus) > 1)
        #expect(try !TransientUnit("no-such.service").exists(on: bus))
        try TransientUnit("no-such.service").stop(on: bus)
        try TransientUnit("no-such.service").resetFailed(on: bus)
        #expect { try TransientUnit("no-such.service").result(on: bus) } throws: {
            ($0 as? BusError)?.name == .noSuchUnit
        }
    }
}

/// Machines that end or freeze under a stage; one each.
@Suite(.canBoot, .serialized) struct LostMachineTests {
    /// How long it takes.
    private func time(_ body: () throws -> Void) rethrows -> Duration { try ContinuousClock().measure(body) }

    @Test(arguments: [
        "systemctl poweroff; sleep 60", "systemctl reboot; exit 0",
        "trap 'exit 0' TERM; systemctl poweroff; sleep 60 & wait",
        "systemctl poweroff -ff; sleep 60", "trap '' TERM; systemctl halt; sleep 60; sleep 60",
    ])
    func `a machine that goes down is no success`(script: String) throws {
        let machine = try TestMachine()
        defer { machine.close() }
        let time = time {
            #expect { try machine.run(script) } throws: { error in
                error is UnitError || (error as? BusError)?.name == .disconnected
            }
        }
        #expect(time < .seconds(5))
    }

    @Test func `a frozen machine is noticed in time`() throws {
        let machine = try TestMachine(TestMachine.Options(hasUserNamespace: true))
        defer { machine.close() }
        let null = try FileDescriptor.open("/dev/null", .readWrite)
        defer { try? null.close() }
        let command = StageCommand(exec: ["/bin/sleep", "60"], environment: [:], description: "x")
        let isTimeout: (any Error) -> Bool = { ($0 as? BusError)?.name == .timedOut }

        // While a stage runs.
        var isFrozen = false
        let running = time {
            #expect(throws: BusError.self) {
                try machine.run("echo up; sleep 60", patience: .seconds(1)) { output in
                    if !isFrozen && !output.isEmpty {
                        isFrozen = true
                        kill(machine.leader, SIGSTOP)
                    }
                }
            }
        }
        #expect(running < .seconds(3))
        kill(machine.leader, SIGCONT)

        // When one is to be started over an open connection.
        let bus = try machine.bus(timeout: .seconds(1))
        kill(machine.leader, SIGSTOP)
        var open: Bus? = consume bus
        let starting = time {
            #expect {
                _ = try MachineStage.start(command, input: null, output: null, error: null, on: open.take()!)
            } throws: { isTimeout($0) }
        }
        #expect(starting < .seconds(2))

        // When a connection is to be made.
        let connecting = time {
            #expect { _ = try machine.bus(timeout: .seconds(1)) } throws: { isTimeout($0) }
        }
        #expect(connecting < .seconds(2))
        kill(machine.leader, SIGCONT)
        #expect(try machine.run("exit 9").end == .exited(code: 9))
    }

    @Test func `a process that is gone or is no systemd is told apart`() throws {
        #expect { _ = try Bus.machine(leader: 4_194_303) } throws: { ($0 as? BusError)?.errno == .noSuchProcess }
        guard access("/run/systemd/private", F_OK) != 0 else { return }
        #expect { _ = try Bus.machine(leader: getpid()) } throws: {
            ($0 as? BusError)?.errno == .noSuchFileOrDirectory
        }
    }
}
