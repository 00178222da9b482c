public import LinuxSystem
import Logging
import Mounts
import Roots
import SystemPackage

extension MachineHost {
    /// Runs one machine in the foreground, with the standard descriptors of this process, and removes it afterwards.
    ///
    /// The process enters a private mount namespace. When it is killed, its reaper ends and removes the machine.
    ///
    /// - Returns: How systemd-nspawn ended, which passes on the exit code of the command.
    public func runInForeground(_ request: MachineRequest) throws -> ProcessEnd {
        if request.command == nil, try !ImageContents.hasInit(request.image) {
            throw MachineError.notAnInit(request.image.name.description)
        }
        try request.engine.requireAvailable()
        let program = try NspawnArguments.executable(path: ProcessEnvironment.inherited()["PATH"])
        // The terminal's interrupt and quit are the machine's business; this process only clears up after it.
        let signals = try SignalDescriptor([.terminate, .hangUp, .interrupt, .quit])
        let machine = try claim(request.name)
        var result: ProcessEnd?
        var failure: (any Error)?
        do {
            result = try run(request, program, in: machine, signals)
        } catch {
            failure = error
        }
        do {
            try dismantle(machine)
        } catch {
            if let failure {
                logger.warning("clean-up failed", metadata: ["machine": "\(request.name)", "error": "\(error)"])
                throw failure
            }
            throw error
        }
        if let failure { throw failure }
        return result ?? .exited(0)
    }

    private func run(
        _ request: MachineRequest, _ program: FilePath, in machine: borrowing MachineDirectory,
        _ signals: borrowing SignalDescriptor
    ) throws -> ProcessEnd {
        var record = try makeRoot(request, inForeground: true, in: machine, signals: signals)
        try Reaper.start(record, watching: record.owner.identity, context: context)
        let execution = MachineExecution(record: record, store: store, context: context, logger: logger)
        try execution.enter()
        let ownCgroup = try enterCgroup(of: record)
        let child = try ChildProcess(
            program, arguments: execution.arguments(console: "autopipe", ownScope: true),
            environment: execution.environment(from: .inherited()))
        record.supervisor = (try? ProcessIdentity(of: child.pid)).map(MachineRecord.Process.init)
        try machine.save(record)
        // This process is not among what is killed with the machine.
        try ownCgroup?.join()
        let end = try wait(for: child, signals)
        try execution.leave()
        return end
    }

    /// Engine `direct`: what is started now is in the machine's group. Answers the group to return to.
    private func enterCgroup(of record: MachineRecord) throws -> Cgroup? {
        guard record.engine == .direct else { return nil }
        let own = try Cgroup.of(pid: CurrentProcess.pid)
        try record.cgroup.create()
        try record.cgroup.join()
        return own
    }

    /// Passes SIGTERM and the end of the terminal on, and waits.
    private func wait(for child: borrowing ChildProcess, _ signals: borrowing SignalDescriptor) throws -> ProcessEnd {
        if let process = try? ProcessHandle(ProcessIdentity(of: child.pid)) {
            while true {
                let ready = try Poll.wait(
                    for: [.init(process.descriptor, .readable), .init(signals.descriptor, .readable)], timeout: nil)
                if ready[0] != nil { break }
                if let signal = try signals.next(), signal == .terminate || signal == .hangUp {
                    try process.send(.terminate)
                }
            }
        }
        return try child.wait()
    }
}
