public import LinuxSystem
import Logging
public import Roots
import SystemPackage

/// A small process beside a machine of engine `direct` or in the foreground: when systemd-nspawn has ended, or its
/// time is up, or who ran it was killed, it ends what is left and removes the root.
///
/// Under engine `systemd` the unit's `ExecStopPost=` does this instead. If the reaper dies too, the next start or end
/// of that name recovers.
public struct Reaper: Sendable {
    private let host: MachineHost

    public init(host: MachineHost) { self.host = host }

    /// Starts one as a process of its own session, without any descriptor of this process.
    static func start(_ record: MachineRecord, watching process: ProcessIdentity, context: EngineContext) throws {
        let null = try NullDevice.open()
        _ = try ChildProcess(
            context.executable,
            arguments: context.arguments("machine-reap", record)
                + ["--watch", "\(process.pid)", "--watch-start", "\(process.startTime)"],
            environment: ProcessEnvironment([("PATH", standardPath)]),
            standard: .init(input: null.descriptor, output: null.descriptor, error: null.descriptor), newSession: true)
    }

    /// Waits for the end of `process` and removes the machine, if it is still the one that has this `token`.
    ///
    /// - Parameter process: nil if it has ended already, and all others of the machine with it.
    public func run(_ name: Name, token: String, watching process: ProcessIdentity?) throws {
        guard let process else { return try reap(name, token: token, afterUnit: true) }
        leaveCallersCgroup()
        defer { returnToRootCgroup() }
        try watch(process, name, token: token)
        try reap(name, token: token, afterUnit: false)
    }

    private func watch(_ identity: ProcessIdentity, _ name: Name, token: String) throws {
        guard let process = try? ProcessHandle(identity) else { return }
        let record = host.record(name, token: token)
        // Held for as long as this lives, so that no systemd-nspawn -U takes the same ids.
        let lock = try record?.userBase.map { try UserRangeHolder($0) }
        defer { lock?.release() }
        guard let timeout = record?.timeoutSeconds else {
            while try !process.waitForEnd(timeout: .seconds(24 * 60 * 60)) {}
            return
        }
        let deadline = Deadline(after: .seconds(timeout))
        while try !process.waitForEnd(timeout: min(deadline.remaining, .seconds(24 * 60 * 60))), !deadline.hasPassed {}
    }

    /// - Parameter afterUnit: As the unit's `ExecStopPost=`, which must not wait for the end of its own unit, nor keep systemd
    ///   waiting for a lock.
    private func reap(_ name: Name, token: String, afterUnit: Bool) throws {
        let patience: Duration = afterUnit ? .zero : .seconds(60)
        do {
            guard let machine = try MachineDirectory.open(name, in: host.store, timeout: patience) else { return }
            guard machine.record()?.token == token else { return }
            // systemd-nspawn has ended, but others of the unit may only be about to.
            if afterUnit { try endOthersOfThisUnit() }
            try host.dismantle(machine, processesHaveEnded: afterUnit)
        } catch MachineError.busy {
            // Its holder is making or ending this machine and will clear up what it finds.
        }
    }

    /// The machine's own processes are in a group below the unit's, which this process is in another one of.
    private func endOthersOfThisUnit() throws {
        var path = try Cgroup.of(pid: CurrentProcess.pid).path
        if path.lastComponent == ".control" || path.lastComponent == "control" { path.removeLastComponent() }
        let payload = Cgroup(path.appending("payload"))
        try payload.kill()
        _ = try payload.waitUntilEmpty(timeout: EngineContext.endTimeout)
    }

    /// What stops the caller's service or session does not stop this.
    private func leaveCallersCgroup() {
        let group = Cgroup("nspawn-runner")
        try? group.create()
        try? group.join()
    }

    /// The last one of all machines takes the common group with it.
    private func returnToRootCgroup() {
        try? Cgroup("").join()
        try? Cgroup("nspawn-runner").removeIfUnused()
    }
}

/// Holds systemd's lock of a range of ids; kept in a class because an optional of it lives across a wait.
final class UserRangeHolder: Sendable {
    private let base: UInt32
    private let lock: OwnedFileDescriptor?

    init(_ base: UInt32) throws {
        self.base = base
        // Whoever reserved the range may hold the lock for a moment longer.
        let deadline = Deadline(after: .seconds(2))
        while true {
            if let lock = try UserRanges.lock(base) {
                self.lock = consume lock
                return
            }
            if deadline.hasPassed { break }
            Deadline.pause(.milliseconds(20))
        }
        lock = nil
    }

    func release() {
        switch lock {
        case .some(let lock): UserRanges.remove(base, holding: lock)
        case .none: break
        }
    }
}

extension MachineHost {
    /// The record of machine `name`, if it has this token.
    func record(_ name: Name, token: String) -> MachineRecord? {
        recordIfReadable(name).flatMap { $0.token == token ? $0 : nil }
    }
}
