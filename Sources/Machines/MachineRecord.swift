import FoundationEssentials
public import LinuxSystem
import Roots
import SystemPackage

/// What starts and ends a machine.
public enum Engine: String, CaseIterable, Codable, Sendable {
    /// A transient unit of the host's systemd.
    case systemd
    /// A detached process in a session and a cgroup of its own, for hosts that systemd does not run.
    case direct

    /// The one that this host has: `systemd` exactly when systemd runs it (sd_booted(3)).
    public static var ofThisHost: Engine {
        (try? Directory("/run/systemd/system")) != nil ? .systemd : .direct
    }

    /// - Throws: ``MachineError/engineUnavailable(_:_:)``.
    func requireAvailable() throws {
        if self == .systemd && Self.ofThisHost != .systemd {
            throw MachineError.engineUnavailable(self, "systemd does not run this host; use --engine direct")
        }
    }
}

/// What is known of one machine: `machine.json` in its directory of the store.
///
/// Everything needed to end it and to remove what it leaves is in here or follows from its name, so that a process
/// that knows nothing else can do it after a crash.
public struct MachineRecord: Codable, Sendable {
    public static let schemaVersion = 1

    /// A process as ``ProcessIdentity``, in JSON.
    public struct Process: Codable, Hashable, Sendable {
        public var pid: Int32
        public var startTime: UInt64

        public init(_ identity: ProcessIdentity) {
            pid = identity.pid
            startTime = identity.startTime
        }

        public var identity: ProcessIdentity { ProcessIdentity(pid: pid, startTime: startTime) }
    }

    public var schema = MachineRecord.schemaVersion
    /// Name of the machine, of its directory below `.machines`, and its host name.
    public var name: String
    /// Told apart from an earlier machine of the same name by this.
    public var token: String
    public var imageName: String
    public var imagePath: String
    /// A ``CloneMethod``.
    public var method: String
    public var engine: Engine
    /// Whether somebody waits for it: systemd-nspawn then is a child of `owner`, under engine `systemd` in a scope of machined's.
    public var inForeground: Bool
    /// Whether the image's init is started; else `command` is.
    public var boots: Bool
    public var command: [String]
    /// First of the user and group ids outside that are 0 and up inside; nil without a user namespace.
    public var userBase: UInt32?
    public var userCount: UInt32
    /// Id of the boot of the host (/proc/sys/kernel/random/boot_id): after a reboot nothing of the machine runs.
    public var bootID: String
    /// Which GitLab's job it is, as ``MachineRequest/key``; nil by hand.
    public var key: String?
    /// Seconds since 1970.
    public var createdAt: Int64
    /// The machine ends by itself after this many seconds.
    public var timeoutSeconds: Int64?
    /// Shell that stages are given to: what the image has.
    public var shell: String
    /// Who prepares it, or runs it in the foreground.
    public var owner: Process
    /// The systemd-nspawn process.
    public var supervisor: Process?
    /// The machine's PID 1, as the host sees it. Present when the machine was ready.
    public var leader: Process?

    /// Group of all processes of the machine, systemd-nspawn among them, with engine `direct`.
    public var cgroup: Cgroup { Self.directCgroup(name) }

    public static func directCgroup(_ name: String) -> Cgroup {
        Cgroup(FilePath(root: nil, ["nspawn-runner"] + FilePath(name).components))
    }

    /// Unit of engine `systemd`.
    public var unit: String { Self.unit(name) }

    public static func unit(_ name: String) -> String { "nspawn-runner-\(name).service" }

    public var userRange: UserNamespace.IDRange? {
        userBase.map { UserNamespace.IDRange(base: $0, count: userCount) }
    }
}

extension MachineRecord {
    static let fileName: FilePath.Component = "machine.json"
    /// A record is a few hundred bytes; a command line may be long.
    private static let limitBytes = 4 << 20

    /// Reads the record of the machine in `directory`.
    ///
    /// - Throws: ``MachineError/unreadableRecord(_:_:)`` for one that is damaged or of another schema; ``SystemError``
    ///   `ENOENT` when there is none.
    static func read(from directory: borrowing Directory) throws -> MachineRecord {
        let bytes = try directory.contents(FilePath(root: nil, [fileName]), limit: limitBytes)
        let path = directory.path.appending(fileName)
        do {
            let record = try JSONDecoder().decode(MachineRecord.self, from: Data(bytes))
            guard record.schema == schemaVersion else {
                throw MachineError.unreadableRecord(path, "schema \(record.schema), this program writes \(schemaVersion)")
            }
            return record
        } catch let error as MachineError {
            throw error
        } catch {
            throw MachineError.unreadableRecord(path, "it is not a record of a machine")
        }
    }

    /// Writes it so that a reader sees the old or the new one. Not synced: after a power cut nothing of the machine runs, and
    /// what a damaged record belongs to is removed by its name.
    func write(to directory: borrowing Directory) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try directory.replaceFile(
            Self.fileName, with: [UInt8](try encoder.encode(self)) + [UInt8(ascii: "\n")], durable: false)
    }
}

/// The running boot of this host.
enum HostBoot {
    static func id() throws -> String {
        let kernel = try Directory("/proc/sys/kernel/random")
        let bytes = try kernel.contents("boot_id", limit: 128, [])
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}
