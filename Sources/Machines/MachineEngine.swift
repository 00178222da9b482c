import LinuxSystem
import Roots
import SystemPackage

/// Starts and ends the processes of machines. Both engines run `machine-exec`, which makes the mounts and becomes
/// systemd-nspawn; they differ in who holds the processes.
protocol MachineEngine: Sendable {
    /// Starts the machine and waits until it is ready; fills in its supervisor and its leader.
    ///
    /// - Parameter save: Is called with the record as soon as more of it is known, so that a crash of the caller
    ///   leaves enough to end what was started.
    /// - Throws: ``MachineError/notReady(_:reason:console:)``, ``MachineError/interrupted(_:)``. What was started may
    ///   still run: the caller ends it.
    func start(
        _ record: inout MachineRecord, signals: borrowing SignalDescriptor, save: (MachineRecord) throws -> Void
    ) throws

    /// Whether anything of the machine runs; answered from the host, not from the record's word.
    func isRunning(_ record: MachineRecord) throws -> Bool

    /// Ends every process of the machine, needing no help from inside, and waits for their end.
    ///
    /// - Throws: ``MachineError/notEnded(_:_:)`` when something is left after ten seconds.
    func end(_ record: MachineRecord) throws
}

/// What both engines need to know of this program and its host.
struct EngineContext: Sendable {
    /// This program, to be started again for `machine-exec` and `machine-reap`.
    var executable: FilePath
    var storePath: FilePath
    /// How long a machine may take from its start to its readiness.
    var startTimeout: Duration = .seconds(90)
    static let endTimeout: Duration = .seconds(10)

    /// Command line of this program's hidden verbs.
    func arguments(_ verb: String, _ record: MachineRecord) -> [String] {
        [verb, "--store", storePath.string, record.name, "--token", record.token]
    }

    func directory(_ record: MachineRecord) -> FilePath {
        storePath.appending(".machines").appending(record.name)
    }

    /// Last lines of what systemd-nspawn and the machine's init said.
    func consoleTail(_ record: MachineRecord) -> [String] {
        guard let directory = try? Directory(directory(record)), let log = try? directory.file(ConsoleLog.path),
            let bytes = try? log.descriptor.readEnd(limit: ConsoleLog.tailBytes)
        else { return [] }
        let lines = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
        return lines.suffix(8).map(String.init)
    }
}

/// Where the console of a machine is written to.
enum ConsoleLog {
    static let name: FilePath.Component = "console.log"
    static let path: FilePath = "console.log"
    static let tailBytes = 64 << 10
}
