internal import Btrfs
public import LinuxSystem
internal import Mounts
public import SystemPackage

/// The directory of images and of machines.
///
///     NAME/             an image
///     .machines/ID/     a machine: its record, its root or its layers
///     .tmp/             everything half-made
///     .versions/ .build/ .cache/
///
/// It belongs to root and nobody else can enter it: a setuid file that a job makes must not be reachable on the host.
public final class Store: Sendable {
    public let path: FilePath
    let directory: Directory
    /// Decides what is a subvolume here and what a plain directory.
    public let fileSystemType: FileSystemType

    static let machines: FilePath.Component = ".machines"
    static let temporary: FilePath.Component = ".tmp"
    /// Plain directories.
    private static let plain: [FilePath.Component] = [temporary, ".versions"]
    /// Subvolumes on btrfs, so that a snapshot of what encloses the store leaves them out.
    private static let separate: [FilePath.Component] = [machines, ".build", ".cache"]

    /// Opens a store, and makes what is missing in it.
    ///
    /// - Parameter create: Whether to make the store itself if there is none; its parent must exist.
    /// - Throws: ``RootError`` `noStore`, `storeNotDirectory`, `storeUnsafe`, `notPermitted`; ``SystemError`` and
    ///   `BtrfsError` when a directory cannot be made.
    public init(_ path: FilePath, create: Bool) throws {
        self.path = path
        directory = try Self.open(path, create: create)
        try Self.requireSafe(directory)
        fileSystemType = try directory.fileSystem().type
        for name in Self.plain { try directory.ensureDirectory(name, permissions: 0o700) }
        for name in Self.separate {
            if try directory.statusIfPresent(name) == nil { try ensureSeparate(name) }
        }
    }

    private static func open(_ path: FilePath, create: Bool) throws -> Directory {
        do {
            return try Directory(path)
        } catch {
            switch error.errno {
            case .noSuchFileOrDirectory:
                guard create, let name = path.lastComponent else { throw RootError.noStore(path) }
                let parent = path.removingLastComponent()
                let above = try Directory(parent.isEmpty ? "." : parent)
                try above.ensureDirectory(name, permissions: 0o700)
                return try Directory(path)
            case .notDirectory: throw RootError.storeNotDirectory(path)
            case .permissionDenied, .notPermitted: throw RootError.notPermitted(path)
            default: throw error
            }
        }
    }

    private static func requireSafe(_ directory: borrowing Directory) throws {
        let status = try directory.status()
        if status.user != 0 || status.group != 0 {
            throw RootError.storeUnsafe(
                directory.path, reason: "belongs to \(status.user):\(status.group), not to root",
                command: "chown root:root")
        }
        if status.permissions & 0o077 != 0 {
            throw RootError.storeUnsafe(
                directory.path, reason: "has mode 0\(String(status.permissions, radix: 8)), open to others",
                command: "chmod 0700")
        }
    }

    private func ensureSeparate(_ name: FilePath.Component) throws {
        do {
            try makeSubvolumeOrDirectory(name, in: directory, permissions: 0o700)
        } catch {
            if !isExisting(error) { throw error }
        }
    }

    /// On btrfs a subvolume, elsewhere a directory.
    func makeSubvolumeOrDirectory(
        _ name: FilePath.Component, in parent: borrowing Directory, permissions: UInt32
    ) throws {
        guard fileSystemType == .btrfs else {
            return try parent.makeDirectory(name, permissions: permissions)
        }
        try Subvolume.create(name, in: parent)
        try parent.directory(FilePath(root: nil, [name])).setPermissions(permissions)
    }

    func isExisting(_ error: any Error) -> Bool {
        (error as? SystemError)?.errno == .fileExists || (error as? BtrfsError)?.errno == .fileExists
    }

    /// Removes whatever is called `name`: a file, a tree with the subvolumes inside it, a subvolume. Links are not
    /// followed, nothing is removed below a mount. Removing what is absent succeeds.
    ///
    /// - Throws: ``RootError/stillMounted(_:mounts:)``; ``SystemError`` and `BtrfsError` name the entry.
    func removeTree(_ name: FilePath.Component, in parent: borrowing Directory) throws {
        do {
            try TreeRemover.remove(name, in: parent) { name, parent in try Subvolume.delete(name, in: parent) }
        } catch {
            let errno = (error as? SystemError)?.errno ?? (error as? BtrfsError)?.errno
            guard errno == .resourceBusy else { throw error }
            let path = parent.path.appending(name)
            let mounts = try MountTable().mounts(below: path)
            throw mounts.isEmpty ? error : RootError.stillMounted(path, mounts: mounts.reversed().map(\.target))
        }
    }
}
