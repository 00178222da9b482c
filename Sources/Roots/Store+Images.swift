internal import Btrfs
public import LinuxSystem
public import SystemPackage

extension Store {
    /// Every directory of the store that does not begin with a dot, sorted by name. Links are no images, nor is a
    /// directory whose name cannot be asked for.
    public func images() throws -> [Image] {
        var names: [Name] = []
        try directory.forEachEntry { entry, _ in
            if let name = Name(entry.string) { names.append(name) }
        }
        return try names.sorted().compactMap(lookUp)
    }

    /// The image of that name, which holds an operating system.
    ///
    /// - Throws: ``RootError`` `unknownImage`, `notAnOperatingSystem`.
    public func image(named name: Name) throws -> Image {
        guard let image = try lookUp(name) else {
            throw RootError.unknownImage(name, known: try images().map(\.name), store: path)
        }
        let tree = try directory.directory(FilePath(root: nil, [name.component]))
        guard try openOSRelease(of: tree) != nil else { throw RootError.notAnOperatingSystem(image.path) }
        return image
    }

    private func lookUp(_ name: Name) throws -> Image? {
        guard let status = try directory.statusIfPresent(name.component), status.kind == .directory else { return nil }
        let tree = try directory.directory(FilePath(root: nil, [name.component]))
        let isSubvolume = try Subvolume.isSubvolume(tree)
        return Image(
            name: name, path: path.appending(name.component), isSubvolume: isSubvolume,
            isReadOnly: isSubvolume ? try Subvolume.isReadOnly(tree) : false)
    }

    /// Takes an image out of the store, in one step for whoever looks for it, and deletes it. Removing what is absent
    /// succeeds; what a crash leaves is in `.tmp`.
    public func removeImage(_ name: Name) throws {
        guard let image = try lookUp(name) else { return }
        if image.isReadOnly {
            // A read-only subvolume cannot change its parent directory (EROFS).
            try Subvolume.setReadOnly(false, of: directory.directory(FilePath(root: nil, [name.component])))
        }
        let temporary = try temporaryDirectory()
        let discarded = uniqueName("removed")
        try directory.rename(name.component, to: discarded, in: temporary)
        try removeTree(discarded, in: temporary)
    }

    // MARK: Things half made

    /// `.tmp`, with a shared lock for as long as it is open: ``removeAbandoned()`` then leaves alone what is in it.
    public func temporaryDirectory() throws -> Directory {
        let temporary = try directory.directory(FilePath(root: nil, [Self.temporary]))
        try temporary.lock(.shared, timeout: .seconds(60))
        return temporary
    }

    /// Removes what processes that were killed have left in `.tmp`. Does nothing while somebody works there.
    public func removeAbandoned() throws {
        let temporary = try directory.directory(FilePath(root: nil, [Self.temporary]))
        guard try temporary.tryLock(.exclusive) else { return }
        for name in try temporary.entries() { try removeTree(name, in: temporary) }
    }

    func uniqueName(_ prefix: String) -> FilePath.Component {
        let number = UInt64.random(in: .min ... .max)
        return FilePath.Component("\(prefix)-\(String(number, radix: 16))") ?? "unnamed"
    }

    /// A new empty directory in `.tmp`, on btrfs a subvolume, for an image that is being made. Mode 0755, owned by root.
    public func makeTemporary(prefix: Name) throws -> FilePath {
        let temporary = try temporaryDirectory()
        let name = uniqueName(prefix.text)
        try makeSubvolumeOrDirectory(name, in: temporary, permissions: 0o755)
        return temporary.path.appending(name)
    }

    /// Removes what ``makeTemporary(prefix:)`` made. Removing what is absent succeeds.
    public func removeTemporary(_ temporary: FilePath) throws {
        guard let name = temporary.lastComponent else { return }
        try removeTree(name, in: try temporaryDirectory())
    }

    /// Copies the tree at `source` into the empty directory `target`, with all that a root by `copy` keeps. Files share
    /// their extents where the file systems can. What is mounted below `source` is left out.
    public func copyTree(from source: FilePath, to target: FilePath) throws {
        let tree = try Directory(owning: mountTree(Directory(source), nil), path: source)
        try TreeCopier.copy(tree.directory(".", []), into: Directory(target), sharingExtents: true)
    }

    /// Returns if there is an operating system in the tree at `path`.
    ///
    /// - Throws: ``RootError/notAnOperatingSystem(_:)``.
    public func verifyOperatingSystem(_ path: FilePath) throws {
        guard try openOSRelease(of: Directory(path)) != nil else { throw RootError.notAnOperatingSystem(path) }
    }

    /// Makes an image of what ``makeTemporary(prefix:)`` made, in one step for whoever looks for it.
    ///
    /// - Throws: ``RootError/imageExists(_:)``; the temporary directory is then as it was.
    public func publish(_ temporary: FilePath, as name: Name) throws {
        guard let current = temporary.lastComponent else {
            throw SystemError("renameat2", [temporary.string, name.text], errno: .invalidArgument)
        }
        do {
            try temporaryDirectory().rename(current, to: name.component, in: directory, .keepExisting)
        } catch {
            if let error = error as? SystemError, error.errno == .fileExists { throw RootError.imageExists(name) }
            throw error
        }
    }
}
