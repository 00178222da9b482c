import LinuxSystem
import Roots
import Systemd
import SystemPackage

/// Machines as transient units of the host's systemd, registered with machined: `machinectl` shows them, limits of the
/// unit reach the job, and systemd ends them in time when nobody else does.
struct SystemdEngine: MachineEngine {
    let context: EngineContext

    func start(
        _ record: inout MachineRecord, signals: borrowing SignalDescriptor, save: (MachineRecord) throws -> Void
    ) throws {
        let bus = try Bus.system()
        let unit = TransientUnit(record.unit)
        do {
            try unit.start(
                on: bus, properties(record), exec: [context.executable.string] + context.arguments("machine-exec", record),
                timeout: context.startTimeout, interrupt: signals.descriptor)
        } catch UnitError.interrupted {
            throw MachineError.interrupted(try signals.next() ?? .terminate)
        } catch let error as UnitError {
            throw MachineError.notReady(record.name, reason: "\(error)", console: context.consoleTail(record))
        }
        guard let machine = try MachineManager.machine(record.name, on: bus) else {
            throw MachineError.notReady(
                record.name, reason: "systemd-machined does not know it", console: context.consoleTail(record))
        }
        record.supervisor = .init(try ProcessIdentity(of: unit.mainProcess(on: bus)))
        record.leader = .init(try ProcessIdentity(of: machine.leader))
    }

    /// As systemd-nspawn@.service and the original program have them, but for three: a reboot inside ends the job's
    /// machine, so no `RestartForceExitStatus`; `--keep-unit` makes limits reach the job; a stop is bounded.
    private func properties(_ record: MachineRecord) -> UnitProperties {
        var properties = UnitProperties()
        properties.description = "Machine \(record.name) of nspawn-runner"
        properties.type = .notify
        properties.notifyAccess = .main
        properties.killMode = .mixed
        properties.collectMode = .inactiveOrFailed
        properties.slice = "machine.slice"
        properties.delegate = true
        properties.tasksMax = 16384
        properties.successExitStatus = (codes: [133], signals: [])
        properties.watchdog = .seconds(180)
        properties.timeoutStart = context.startTimeout
        properties.timeoutStop = EngineContext.endTimeout
        properties.runtimeMax = record.timeoutSeconds.map { .seconds($0) }
        properties.cpuWeight = 50
        properties.memoryHighShare = .init(0.30)
        properties.memoryMaxShare = .init(0.40)
        properties.devicePolicy = .closed
        properties.deviceAllow = [.init("char-pts", "rw"), .init("/dev/net/tun", "rwm"), .init("/dev/fuse", "rwm")]
        properties.execStopPost = [context.executable.string] + context.arguments("machine-reap", record)
        properties.syslogIdentifier = "nspawn-runner"
        return properties
    }

    func isRunning(_ record: MachineRecord) throws -> Bool {
        if record.inForeground {
            return try record.owner.identity.isAlive || !scope(of: record.name).processes().isEmpty
        }
        let bus = try Bus.system()
        let unit = TransientUnit(record.unit)
        do {
            let state = try unit.activeState(on: bus)
            return state != "inactive" && state != "failed"
        } catch {
            if error.name == .noSuchUnit { return false }
            throw error
        }
    }

    func end(_ record: MachineRecord) throws {
        guard record.inForeground else { return try endUnit(record.unit) }
        // systemd-nspawn itself is in the caller's session, not in the scope.
        if let supervisor = record.supervisor?.identity, let process = try? ProcessHandle(supervisor) {
            try process.send(.kill)
            _ = try process.waitForEnd(timeout: EngineContext.endTimeout)
        }
        try endScope(of: record.name)
    }

    /// Kills all processes of the unit, without asking the machine's init, and waits until systemd has put it away.
    func endUnit(_ name: String) throws {
        let bus = try Bus.system()
        let unit = TransientUnit(name)
        do {
            let group = try unit.controlGroup(on: bus)
            if !group.isEmpty { try Cgroup(FilePath(group)).kill() }
            try unit.stop(on: bus, timeout: EngineContext.endTimeout + .seconds(5))
            try unit.resetFailed(on: bus)
        } catch let error as BusError where error.name == .noSuchUnit {
            return
        }
    }

    /// A machine in the foreground has a scope that machined gave it, `machine-NAME.scope`.
    private func scope(of name: String) -> Cgroup {
        Cgroup(FilePath("machine.slice/machine-\(escaped(name)).scope"))
    }

    private func endScope(of name: String) throws {
        let group = scope(of: name)
        try group.kill()
        guard try group.waitUntilEmpty(timeout: EngineContext.endTimeout) else {
            throw MachineError.notEnded(name, "processes \(try group.processes()) are left in /\(group.path.string)")
        }
    }

    /// As `systemd-escape` does it: in unit names a dash separates.
    private func escaped(_ name: String) -> String {
        name.utf8.map { byte in
            let character = Character(UnicodeScalar(byte))
            return character.isLetter || character.isNumber || character == "_" || character == "." || character == ":"
                ? String(character) : "\\x" + String(byte, radix: 16)
        }.joined()
    }
}
