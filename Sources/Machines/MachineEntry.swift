public import LinuxSystem
import Logging
import Mounts
public import Roots
import SystemPackage

/// The hidden verb `machine-exec`: what both engines start, and what becomes systemd-nspawn.
public struct MachineEntry: Sendable {
    private let host: MachineHost

    public init(host: MachineHost) { self.host = host }

    /// Becomes the systemd-nspawn of machine `name`; returns only by throwing.
    ///
    /// - Parameter token: Of the machine that was asked for; another machine of that name is not touched.
    public func run(_ name: Name, token: String, environment: ProcessEnvironment) throws -> Never {
        guard let record = host.record(name, token: token) else {
            throw MachineError.gone(name.description, "there is no such machine")
        }
        let program = try NspawnArguments.executable(path: environment["PATH"])
        try redirectOutput(to: FilePath(host.context.directory(record).string))
        if record.engine == .direct {
            try Reaper.start(
                record, watching: ProcessIdentity(of: CurrentProcess.pid), context: host.context)
            try record.cgroup.join()
        }
        let execution = MachineExecution(
            record: record, store: host.store, context: host.context, logger: host.logger)
        try execution.enter()
        try CurrentProcess.execute(
            program, arguments: execution.arguments(console: "read-only", ownScope: false),
            environment: execution.environment(from: environment))
    }

    /// From here on, messages go to the console log of the machine, whoever started it.
    private func redirectOutput(to directory: FilePath) throws {
        let machine = try Directory(directory)
        try machine.removeFile(ConsoleLog.name)
        let log = try machine.create(ConsoleLog.name)
        try CurrentProcess.replaceStandard(1, with: log.descriptor)
        try CurrentProcess.replaceStandard(2, with: log.descriptor)
    }
}
