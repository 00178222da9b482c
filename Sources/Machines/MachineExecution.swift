import LinuxSystem
import Logging
import Mounts
import Roots
import SystemPackage

/// The last steps before systemd-nspawn, in the process that becomes it: a private mount namespace, the root in it,
/// whatever the engine needs.
///
/// All mounts belong to this process. Whatever ends it, they vanish with it and the host has never seen them.
struct MachineExecution {
    let record: MachineRecord
    let store: Store
    let context: EngineContext
    let logger: Logger

    /// Where the root is mounted, in the namespace only.
    static let mountPoint: FilePath.Component = "mount"

    private var directory: FilePath { context.directory(record) }
    private var root: FilePath { directory.appending(Self.mountPoint) }

    /// Makes the namespace and mounts the root at its place there. After it, this process sees other mounts than its caller.
    func enter() throws {
        let root = try openRoot()
        try CurrentProcess.enterPrivateMountNamespace()
        if record.engine == .direct {
            try showUnifiedCgroups()
            try hidePropagation()
        }
        try Mount.attach(root, at: Directory(self.root))
    }

    /// Takes the root down again; for a process that goes on after the machine has ended.
    func leave() throws { try Mount.unmount(root) }

    private func openRoot() throws -> OwnedFileDescriptor {
        let rootRecord = try record.rootRecord(in: directory)
        let backend = backend(for: rootRecord.method, in: store)
        guard let range = record.userRange else {
            return try prepared(backend.open(rootRecord, userNamespace: nil), range: nil)
        }
        let userNamespace: UserNamespace? = try UserNamespace(range)
        return try prepared(backend.open(rootRecord, userNamespace: userNamespace), range: range)
    }

    private func prepared(
        _ mount: consuming OwnedFileDescriptor, range: UserNamespace.IDRange?
    ) throws -> OwnedFileDescriptor {
        let root = Directory(owning: mount, path: self.root)
        let preparation = RootPreparation(
            name: record.name, machineID: try RandomBytes.hex(bytes: 16), resolver: Self.hostResolver())
        try preparation.apply(to: root, range: range)
        return root.intoDescriptor()
    }

    /// The host's /etc/resolv.conf: machines share its network.
    private static func hostResolver() -> [UInt8]? {
        try? Directory("/etc").contents("resolv.conf", limit: 1 << 20, [])
    }

    /// systemd-nspawn and the machine's systemd want the unified hierarchy at /sys/fs/cgroup; a host with the old or the
    /// mixed layout gets it there in this namespace.
    private func showUnifiedCgroups() throws {
        let shown = try Directory("/sys/fs/cgroup")
        if try shown.fileSystem().type == .cgroup2 { return }
        try Mount.attach(Cgroup.hierarchy().intoDescriptor(), at: shown)
    }

    /// systemd-nspawn leaves a directory there for every machine, and complains where /run is on a disk. Only machined
    /// has a use for it, and without systemd on the host there is none.
    private func hidePropagation() throws {
        let directory = try Directory.making("/run/systemd/nspawn/propagate")
        try Mount.attach(KernelFileSystem.mount("tmpfs"), at: directory)
    }

    /// Environment of systemd-nspawn: nothing of the caller's but what is named here.
    func environment(from caller: ProcessEnvironment) -> ProcessEnvironment {
        var environment = ProcessEnvironment([
            ("PATH", standardPath),
            // Its own lock of the directory is for images that several commands start; this root is one machine's.
            ("SYSTEMD_NSPAWN_LOCK", "0"),
            ("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1"),
        ])
        for name in ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "TERM", "COLORTERM", "NO_COLOR", "LANG"] {
            if let value = caller[name] { environment[name] = value }
        }
        return environment
    }

    func arguments(console: String, ownScope: Bool) -> [String] {
        NspawnArguments(
            name: record.name, root: root, engine: record.engine, userRange: record.userRange,
            command: record.boots ? nil : record.command, console: console, ownScope: ownScope
        ).strings
    }
}

extension MachineRecord {
    func rootRecord(in directory: FilePath) throws -> RootRecord {
        guard let name = Name(self.name), let method = CloneMethod(rawValue: self.method) else {
            throw MachineError.unreadableRecord(directory, "unknown clone method \(self.method)")
        }
        return RootRecord(id: name, method: method, image: FilePath(imagePath), directory: directory)
    }
}
