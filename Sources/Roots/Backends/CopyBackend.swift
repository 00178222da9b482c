public import LinuxSystem
internal import SystemPackage

/// A root is a tree of its own whose files share their extents with the image's (`reflink`) or are copies (`copy`).
public struct CopyBackend: RootBackend {
    private let store: Store
    public let method: CloneMethod

    init(store: Store, method: CloneMethod) {
        self.store = store
        self.method = method
    }

    public func check(_ image: Image, userNamespace: Bool) throws {
        let source = try Directory(image.path)
        if method == .reflink {
            let type = try source.fileSystem().type
            func impossible(_ reason: String) -> RootError {
                .impossible(
                    method, image: image.path, fileSystem: type, reason: reason,
                    advice: "use --clone overlay or --clone copy")
            }
            switch try store.probeSharing(source) {
            case .works: break
            case .otherFileSystem:
                throw impossible("the store \(printable(store.path.string)) is on another file system")
            case .notSupported: throw impossible("files cannot share extents there (FICLONE)")
            }
        }
        if userNamespace { try store.requireMappableIDs(of: store.machines(), for: image, method) }
    }

    public func create(_ record: RootRecord, from image: Image) throws {
        let directory = try store.requireMachineDirectory(record)
        // Without the mounts below the image: what they hide is copied, as a snapshot would show it.
        let source = try Directory(owning: store.mountTree(Directory(image.path), nil), path: image.path)
        do {
            try store.makeSubvolumeOrDirectory(RootLayout.root, in: directory, permissions: 0o700)
            try TreeCopier.copy(
                source.directory(".", []), into: directory.directory(FilePath(root: nil, [RootLayout.root])),
                sharingExtents: method == .reflink)
        } catch {
            try? remove(record)
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
