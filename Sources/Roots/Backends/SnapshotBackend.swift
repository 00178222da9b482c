internal import Btrfs
public import LinuxSystem
internal import Mounts
internal import SystemPackage

/// A root is a btrfs snapshot of the image's subvolume, with snapshots of the subvolumes inside it.
public struct SnapshotBackend: RootBackend {
    private let store: Store
    public var method: CloneMethod { .snapshot }

    public init(store: Store) { self.store = store }

    public func check(_ image: Image, userNamespace: Bool) throws {
        let source = try Directory(image.path)
        let type = try source.fileSystem().type
        func impossible(_ reason: String, _ advice: String) -> RootError {
            .impossible(method, image: image.path, fileSystem: type, reason: reason, advice: advice)
        }
        guard try Subvolume.isSubvolume(source) else {
            throw impossible("it is not the top of a btrfs subvolume", "use --clone overlay")
        }
        // Whether image and store share one file system is what `FICLONE` tells without the commit that a snapshot costs.
        guard store.fileSystemType == .btrfs, case .works = try store.probeSharing(source) else {
            throw impossible(
                "the store \(printable(store.path.string)) is on another file system", "use --clone overlay")
        }
        if userNamespace { try store.requireMappableIDs(of: source, for: image, method) }
    }

    public func create(_ record: RootRecord, from image: Image) throws {
        let directory = try store.requireMachineDirectory(record)
        do {
            try Subvolume.snapshot(Directory(image.path), as: RootLayout.root, in: directory)
        } catch {
            // A snapshot of subvolumes inside the image may have failed after that of the image.
            try? store.removeTree(RootLayout.root, in: directory)
            throw error
        }
    }

    public func open(
        _ record: RootRecord, userNamespace: borrowing UserNamespace?
    ) throws -> OwnedFileDescriptor {
        try store.mountDirectory(RootLayout.root, of: record, userNamespace)
    }

    public func remove(_ record: RootRecord) throws { try store.remove([RootLayout.root], of: record) }
}
