import LinuxSystem
import Roots
import SystemPackage

/// The directory of one machine, locked: who holds it is the only one that makes, ends or removes that machine.
///
/// A lock ends with its process. A directory that is there and not locked is a running machine or what a crash left.
struct MachineDirectory: ~Copyable {
    let directory: Directory
    let name: Name

    /// Opens and locks the directory of machine `name`.
    ///
    /// - Returns: nil if there is none, or if it went while this waited.
    /// - Throws: ``MachineError/busy(_:)`` if its holder kept it for all of `timeout`.
    static func open(_ name: Name, in store: Store, timeout: Duration) throws -> MachineDirectory? {
        guard let directory = try store.machineDirectory(name) else { return nil }
        do {
            try directory.lock(.exclusive, timeout: timeout)
        } catch {
            throw error.errno == .timedOut ? MachineError.busy(name.description) : error
        }
        // Between opening and locking somebody may have removed it, and somebody else made a new one.
        guard let current = try store.machineDirectory(name) else { return nil }
        let (now, then) = try (current.status(), directory.status())
        guard now.device == then.device && now.inode == then.inode else { return nil }
        return MachineDirectory(directory: directory, name: name)
    }

    /// The record, or nil when the machine never got one or it is damaged; it can be removed all the same.
    func record() -> MachineRecord? { try? MachineRecord.read(from: directory) }

    func save(_ record: MachineRecord) throws { try record.write(to: directory) }
}
