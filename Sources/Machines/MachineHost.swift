import Images
public import LinuxSystem
public import Logging
import Mounts
public import Roots
public import SystemPackage

/// What a machine is to be.
public struct MachineRequest: Sendable {
    /// Name of the machine; must not be in use.
    public var name: Name
    public var image: Image
    /// nil takes the cheapest method that the file system has.
    public var method: CloneMethod?
    public var engine: Engine
    public var userNamespace: Bool
    /// nil starts the image's init.
    public var command: [String]?
    /// The machine ends by itself after this time.
    public var timeout: Duration?
    /// What tells apart those who may use the same name; only who knows it may use or end the machine. Not secret.
    public var key: String?

    public init(
        name: Name, image: Image, method: CloneMethod? = nil, engine: Engine, userNamespace: Bool = true,
        command: [String]? = nil, timeout: Duration? = nil, key: String? = nil
    ) {
        self.name = name
        self.image = image
        self.method = method
        self.engine = engine
        self.userNamespace = userNamespace
        self.command = command
        self.timeout = timeout
        self.key = key
    }
}

/// The machines of one store on this host: made, started, found, ended. Needs root.
///
/// Calls block. Machines and their leftovers are found from the store alone; any process may end what another made.
public struct MachineHost: Sendable {
    public let store: Store
    let context: EngineContext
    let logger: Logger

    /// - Parameter executable: This program, which engines start again for `machine-exec` and `machine-reap`.
    public init(store: Store, executable: FilePath = "/proc/self/exe", logger: Logger) {
        self.store = store
        context = EngineContext(executable: executable, storePath: store.path)
        self.logger = logger
    }

    func engine(_ engine: Engine) -> any MachineEngine {
        switch engine {
        case .direct: DirectEngine(context: context)
        case .systemd: SystemdEngine(context: context)
        }
    }

    // MARK: Making

    /// Makes the root of a machine and starts it; returns when its init is up.
    ///
    /// On failure, and when a signal comes, everything made is taken back. A process that is killed meanwhile leaves what
    /// the next ``start(_:signals:)`` or ``end(_:)`` of that name removes.
    ///
    /// - Throws: ``RootError``, ``MachineError``, ``SystemError``.
    public func start(_ request: MachineRequest, signals: borrowing SignalDescriptor) throws -> MachineRecord {
        guard try ImageContents.hasInit(request.image) else {
            throw MachineError.notAnInit(request.image.name.description)
        }
        try request.engine.requireAvailable()
        let engine = engine(request.engine)
        let machine = try claim(request.name)
        let undo = Undo(host: self, name: request.name)
        do {
            var record = try makeRoot(request, inForeground: false, in: machine, signals: signals)
            try engine.start(&record, signals: signals) { try $0.write(to: machine.directory) }
            try machine.save(record)
            logger.info("started machine", metadata: ["machine": "\(record.name)", "engine": "\(record.engine.rawValue)"])
            return record
        } catch {
            undo.take(machine)
            throw error
        }
    }

    /// Takes back what a failed start has made; its own failure is only logged, since the first one matters.
    private struct Undo {
        let host: MachineHost
        let name: Name

        func take(_ machine: borrowing MachineDirectory) {
            do {
                try host.dismantle(machine)
            } catch {
                host.logger.warning("clean-up failed", metadata: ["machine": "\(name)", "error": "\(error)"])
            }
        }
    }

    /// Makes the directory of a machine and locks it, after removing what a crash may have left under that name.
    ///
    /// - Throws: ``MachineError/exists(_:)`` if the machine runs.
    func claim(_ name: Name) throws -> MachineDirectory {
        for _ in 0..<8 {
            if let old = try MachineDirectory.open(name, in: store, timeout: .milliseconds(500)) {
                if let record = old.record(), try isRunning(record) { throw MachineError.exists(name.description) }
                logger.notice("removing what an earlier machine of this name left", metadata: ["machine": "\(name)"])
                try dismantle(old)
            }
            do {
                _ = try store.claim(name)
            } catch RootError.machineExists {
                continue
            }
            if let machine = try MachineDirectory.open(name, in: store, timeout: .milliseconds(500)) { return machine }
        }
        throw MachineError.busy(name.description)
    }

    /// Chooses the clone method, reserves the ids, writes the record and makes the root.
    func makeRoot(
        _ request: MachineRequest, inForeground: Bool, in machine: borrowing MachineDirectory,
        signals: borrowing SignalDescriptor
    ) throws -> MachineRecord {
        let backend = try chooseBackend(
            requested: request.method, image: request.image, store: store, userNamespace: request.userNamespace,
            logger: logger
        ).backend
        var record = MachineRecord(
            name: request.name.description, token: try RandomBytes.hex(bytes: 8),
            imageName: request.image.name.description, imagePath: request.image.path.string,
            method: backend.method.rawValue, engine: request.engine, inForeground: inForeground,
            boots: request.command == nil,
            command: request.command ?? [], userBase: nil, userCount: UserRanges.count, bootID: try HostBoot.id(), key: request.key,
            createdAt: Clock.secondsSince1970(), timeoutSeconds: request.timeout.map(\.components.seconds),
            shell: try ImageContents.shell(request.image),
            owner: .init(try ProcessIdentity(of: CurrentProcess.pid)))
        if request.userNamespace {
            try reserveUsers(&record, in: machine)
        } else {
            try machine.save(record)
        }
        try machine.directory.ensureDirectory(MachineExecution.mountPoint, permissions: 0o700)
        if let signal = try signals.next() { throw MachineError.interrupted(signal) }
        try backend.create(record.rootRecord(in: machine.directory.path), from: request.image)
        if let signal = try signals.next() { throw MachineError.interrupted(signal) }
        logger.info(
            "made root",
            metadata: ["machine": "\(record.name)", "image": "\(record.imageName)", "method": "\(record.method)"])
        return record
    }

    /// Picks ids that no record of the store has, and writes them down before anybody else can pick.
    private func reserveUsers(_ record: inout MachineRecord, in machine: borrowing MachineDirectory) throws {
        let machines = try Directory(store.machinesPath)
        try machines.lock(.exclusive, timeout: .seconds(10))
        let used = Set(try records().compactMap(\.userBase))
        let reservation = try UserRanges.reserve(except: used)
        record.userBase = reservation.range.base
        record.userCount = reservation.range.count
        try machine.save(record)
    }

    // MARK: Finding

    /// The records of all machines; directories without a readable one are left out.
    public func records() throws -> [MachineRecord] {
        try store.machineIDs().compactMap { recordIfReadable($0) }
    }

    /// The machine `name`, which was ready and still runs.
    ///
    /// - Parameter key: Of the machine that is meant; nil means whichever has the name.
    /// - Throws: ``MachineError/gone(_:_:)``.
    public func runningMachine(_ name: Name, key: String? = nil) throws -> MachineRecord {
        guard let directory = try store.machineDirectory(name) else {
            throw MachineError.gone(name.description, "there is no such machine")
        }
        let record = try MachineRecord.read(from: directory)
        guard key == nil || record.key == key else {
            throw MachineError.gone(name.description, "the machine of this name is another job's")
        }
        guard record.bootID == (try HostBoot.id()) else {
            throw MachineError.gone(name.description, "the host was rebooted")
        }
        guard let leader = record.leader else {
            throw MachineError.gone(name.description, "it never became ready")
        }
        guard leader.identity.isAlive else {
            throw MachineError.gone(name.description, "its init has ended")
        }
        return record
    }

    func isRunning(_ record: MachineRecord) throws -> Bool {
        guard record.bootID == (try HostBoot.id()) else { return false }
        return try engine(record.engine).isRunning(record)
    }

    // MARK: Ending

    /// Ends the machine `name`, removes its root and everything that is known of it, and waits until all is gone.
    ///
    /// A process that is still making it is told to stop, and after ten seconds killed.
    ///
    /// - Parameter key: Of the machine that is meant; another one stays as it is. nil means whichever has the name.
    /// - Returns: false if there was nothing.
    /// - Throws: ``MachineError/notEnded(_:_:)``, ``MachineError/busy(_:)``.
    @discardableResult
    public func end(_ name: Name, key: String? = nil) throws -> Bool {
        if let key, let record = recordIfReadable(name), record.key != key {
            logger.warning("the machine of this name is another job's and stays", metadata: ["machine": "\(name)"])
            return false
        }
        guard let machine = try openForEnding(name) else { return false }
        try dismantle(machine)
        logger.info("removed machine", metadata: ["machine": "\(name)"])
        return true
    }

    private func openForEnding(_ name: Name) throws -> MachineDirectory? {
        do {
            return try MachineDirectory.open(name, in: store, timeout: .seconds(1))
        } catch MachineError.busy {
            // The owner is told; whether it listens or not, its lock is free after that.
        }
        let holderMayTake: Duration = .seconds(300)
        for signal in [Signal.terminate, .kill] {
            guard recordIfReadable(name)?.owner.identity.isAlive == true else { break }
            if let owner = recordIfReadable(name)?.owner.identity, let process = try? ProcessHandle(owner) {
                try process.send(signal)
            }
            do {
                return try MachineDirectory.open(name, in: store, timeout: .seconds(10))
            } catch MachineError.busy where signal != .kill {
                continue
            }
        }
        // Not who makes it, then, but somebody who removes it, which takes its time for a large copy.
        return try MachineDirectory.open(name, in: store, timeout: holderMayTake)
    }

    /// The record of a machine as it is, whoever holds its lock.
    func recordIfReadable(_ name: Name) -> MachineRecord? {
        guard let directory = try? store.machineDirectory(name) else { return nil }
        return try? MachineRecord.read(from: directory)
    }

    /// Ends and removes what is in the locked directory; the lock is given back with it.
    ///
    /// - Parameter processesHaveEnded: Said by the unit's own `ExecStopPost=`, which must not wait for the end of itself.
    func dismantle(_ machine: borrowing MachineDirectory, processesHaveEnded: Bool = false) throws {
        let name = machine.name.description
        if let record = machine.record() {
            if !processesHaveEnded, record.bootID == (try HostBoot.id()) {
                try engine(record.engine).end(record)
            }
            let root = try record.rootRecord(in: machine.directory.path)
            try backend(for: root.method, in: store).remove(root)
            if let base = record.userBase { UserRanges.release(base) }
        } else {
            // Killed before the record was written, or the record is damaged: everything follows from the name.
            try MachineRecord.directCgroup(name).end(name: name)
            if Engine.ofThisHost == .systemd { try SystemdEngine(context: context).endUnit(MachineRecord.unit(name)) }
        }
        try store.removeMachineDirectory(machine.name)
    }
}
