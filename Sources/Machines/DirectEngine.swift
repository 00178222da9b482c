import LinuxSystem
import Roots
import SystemPackage

/// Machines on a host that systemd does not run: a detached process, a cgroup v2 group, a reaper.
struct DirectEngine: MachineEngine {
    let context: EngineContext

    func start(
        _ record: inout MachineRecord, signals: borrowing SignalDescriptor, save: (MachineRecord) throws -> Void
    ) throws {
        let notifications = try NotificationSocket()
        try record.cgroup.create()
        var environment = ProcessEnvironment([("PATH", standardPath)])
        environment["NOTIFY_SOCKET"] = notifications.address
        let null = try NullDevice.open()
        let child = try ChildProcess(
            context.executable, arguments: context.arguments("machine-exec", record), environment: environment,
            standard: .init(input: null.descriptor, output: null.descriptor, error: null.descriptor), newSession: true)
        guard let identity = try? ProcessIdentity(of: child.pid), let process = try? ProcessHandle(identity) else {
            throw MachineError.notReady(
                record.name, reason: "machine-exec ended at once", console: context.consoleTail(record))
        }
        record.supervisor = .init(process.identity)
        try save(record)
        record.leader = .init(try waitUntilReady(record, process, notifications, signals))
    }

    /// - Returns: The machine's PID 1.
    private func waitUntilReady(
        _ record: MachineRecord, _ process: borrowing ProcessHandle, _ notifications: borrowing NotificationSocket,
        _ signals: borrowing SignalDescriptor
    ) throws -> ProcessIdentity {
        let deadline = Deadline(after: context.startTimeout)
        var leader: ProcessIdentity?
        while !deadline.hasPassed {
            let ready = try Poll.wait(
                for: [
                    .init(notifications.descriptor, .readable), .init(process.descriptor, .readable),
                    .init(signals.descriptor, .readable),
                ], timeout: deadline.remaining)
            if let signal = try signals.next() { throw MachineError.interrupted(signal) }
            // Anybody on the network of the host may send: a bounded number at a time, and only one sender counts.
            for _ in 0..<64 {
                guard let message = try notifications.next() else { break }
                guard message.pid == process.identity.pid, message.user == 0 else { continue }
                if let pid = message.value("X_NSPAWN_LEADER_PID").flatMap({ Int32($0) }) {
                    leader = try? ProcessIdentity(of: pid)
                }
                if message.value("READY") == "1", let leader { return leader }
            }
            if ready[1] != nil {
                throw MachineError.notReady(
                    record.name, reason: "systemd-nspawn ended before the machine was ready",
                    console: context.consoleTail(record))
            }
        }
        throw MachineError.notReady(
            record.name, reason: "it was not ready within \(context.startTimeout)", console: context.consoleTail(record))
    }

    func isRunning(_ record: MachineRecord) throws -> Bool {
        if record.supervisor?.identity.isAlive == true { return true }
        return try !record.cgroup.processes().isEmpty
    }

    func end(_ record: MachineRecord) throws {
        // It may have been on its way into the group.
        if let supervisor = record.supervisor?.identity, let process = try? ProcessHandle(supervisor) {
            try process.send(.kill)
            _ = try process.waitForEnd(timeout: EngineContext.endTimeout)
        }
        try record.cgroup.end(name: record.name)
    }
}

extension Cgroup {
    /// Ends all processes in the group of machine `name`, waits for that, and removes the group.
    func end(name: String) throws {
        try kill()
        guard try waitUntilEmpty(timeout: EngineContext.endTimeout) else {
            throw MachineError.notEnded(name, "processes \(try processes()) are left in cgroup /\(path.string)")
        }
        try remove()
    }
}

/// PATH of everything that runs for or in a machine.
let standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
