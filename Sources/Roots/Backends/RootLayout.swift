internal import LinuxSystem
internal import Mounts
internal import SystemPackage

/// Names below a machine's directory.
enum RootLayout {
    /// The root itself, where it is a tree of its own.
    static let root: FilePath.Component = "root"
    /// What the root of an overlay changes, and the kernel's own directory beside it.
    static let upper: FilePath.Component = "upper"
    static let work: FilePath.Component = "work"
    /// An empty directory for mounts that exist during one call.
    static let place: FilePath.Component = "place"
}

extension Store {
    func requireMachineDirectory(_ record: RootRecord) throws -> Directory {
        guard let directory = try machineDirectory(record.id) else {
            throw SystemError("openat2", [record.directory.string], errno: .noSuchFileOrDirectory)
        }
        return directory
    }

    /// A detached mount of a directory of the machine, with the ids of the user namespace.
    func mountDirectory(
        _ name: FilePath.Component, of record: RootRecord, _ userNamespace: borrowing UserNamespace?
    ) throws -> OwnedFileDescriptor {
        let directory = try requireMachineDirectory(record).directory(FilePath(root: nil, [name]))
        return try mountTree(directory, userNamespace)
    }

    /// A detached mount of a tree without what is mounted below it, with the ids of the user namespace.
    ///
    /// The mount of the store may well be nosuid: that protects the host, while sudo must work inside.
    func mountTree(
        _ directory: borrowing Directory, _ userNamespace: borrowing UserNamespace?
    ) throws -> OwnedFileDescriptor {
        let mount = try Mount.clone(directory)
        try Mount.setAttributes(of: mount, clear: [.noSetuid, .noExecution, .readOnly])
        switch userNamespace {
        case .some(let namespace): try Mount.mapIDs(of: mount, into: namespace)
        case .none: break
        }
        return mount
    }

    func remove(_ names: [FilePath.Component], of record: RootRecord) throws {
        guard let directory = try machineDirectory(record.id) else { return }
        for name in names { try removeTree(name, in: directory) }
    }
}
