import LinuxSystem
import Roots
import SystemPackage

/// Ranges of user ids for machines, one each.
///
/// The ids are those that systemd sets aside for containers (524288 up to 1879048191, «Users, Groups, UIDs and GIDs on
/// systemd Systems»), and a range counts as taken while somebody holds systemd's lock file for it. The reaper of a machine
/// holds it in turn; under engine `systemd`, which has none, machined's users keep `systemd-nspawn -U` from the range.
enum UserRanges {
    static let count: UInt32 = 65536
    private static let first: UInt32 = 524288
    private static let last: UInt32 = 1_878_982_656
    private static let lockDirectory: FilePath = "/run/systemd/nspawn-uid"

    /// A range that nobody uses, and systemd's lock for it, which lasts as long as it is held.
    struct Reservation: ~Copyable {
        let range: UserNamespace.IDRange
        let lock: OwnedFileDescriptor
    }

    /// Takes a range that is not among `used`.
    ///
    /// - Throws: ``MachineError/noUserRange``; ``SystemError`` when the lock files cannot be made.
    static func reserve(except used: Set<UInt32>) throws -> Reservation {
        let slots = (last - first) / count + 1
        let start = UInt32.random(in: 0..<slots)
        // Enough tries for any number of machines that a host can run, few enough to end.
        for step in 0..<min(slots, 4096) {
            let base = first + ((start + step) % slots) * count
            if used.contains(base) { continue }
            if let lock = try lock(base) {
                return Reservation(range: UserNamespace.IDRange(base: base, count: count), lock: lock)
            }
        }
        throw MachineError.noUserRange
    }

    /// systemd's lock for the range that begins at `base`; nil if somebody else has it.
    static func lock(_ base: UInt32) throws -> OwnedFileDescriptor? {
        try RecordLock.acquire(FilePath.Component("\(base)"), in: lockDirectory)
    }

    /// Removes the lock file unless somebody holds it, who will.
    static func release(_ base: UInt32) {
        guard let lock = try? lock(base) else { return }
        remove(base, holding: lock)
    }

    /// Removes the lock file, as systemd does it: while it is locked.
    static func remove(_ base: UInt32, holding lock: borrowing OwnedFileDescriptor) {
        guard let name = FilePath.Component("\(base)"), let directory = try? Directory(lockDirectory) else { return }
        try? directory.removeFile(name)
    }
}
