internal import Btrfs
public import LinuxSystem
package import Mounts
internal import SystemPackage

/// A root is an overlay over the image: what it changes is in `upper`, the image shows through, on any file system.
///
/// Roots share the page cache of the image. The image must not change while roots of it exist.
public struct OverlayBackend: RootBackend {
    private let store: Store
    /// In this order; all of them unless a test says otherwise.
    private let ways: [Overlay.Way]
    public var method: CloneMethod { .overlay }

    public init(store: Store) { self.init(store: store, ways: Overlay.Way.allCases) }

    package init(store: Store, ways: [Overlay.Way]) {
        self.store = store
        self.ways = ways
    }

    public func check(_ image: Image, userNamespace: Bool) throws {
        let temporary = try store.temporaryDirectory()
        let name = store.uniqueName("probe")
        try temporary.makeDirectory(name, permissions: 0o700)
        defer { try? store.removeTree(name, in: temporary) }
        let probe = try temporary.directory(FilePath(root: nil, [name]))
        let tree = try Directory(image.path)
        if userNamespace { try store.requireMappableIDs(of: tree, for: image, method) }
        do {
            try makeLayers(of: tree, in: probe)
            if userNamespace {
                _ = try mount(tree, layers: probe, try UserNamespace(.probe))
            } else {
                _ = try mount(tree, layers: probe, nil)
            }
        } catch {
            guard let error = error as? SystemError, Overlay.Way.isMissing(error) || error.errno == .operationNotSupportedByDevice else {
                throw error
            }
            throw RootError.impossible(
                method, image: image.path, fileSystem: try tree.fileSystem().type, reason: "\(error)",
                advice: "use --clone reflink or --clone copy")
        }
    }

    public func create(_ record: RootRecord, from image: Image) throws {
        let directory = try store.requireMachineDirectory(record)
        do {
            try makeLayers(of: Directory(image.path), in: directory)
        } catch {
            try? remove(record)
            throw error
        }
    }

    public func open(
        _ record: RootRecord, userNamespace: borrowing UserNamespace?
    ) throws -> OwnedFileDescriptor {
        try mount(Directory(record.image), layers: store.requireMachineDirectory(record), userNamespace)
    }

    public func remove(_ record: RootRecord) throws {
        try store.remove([RootLayout.upper, RootLayout.work, RootLayout.place], of: record)
    }

    /// The top of a merged tree shows the upper layer's own mode, owner, times and attributes: those of the image's.
    private func makeLayers(of image: borrowing Directory, in directory: borrowing Directory) throws {
        for name in [RootLayout.work, RootLayout.place] { try directory.makeDirectory(name, permissions: 0o700) }
        try directory.makeDirectory(RootLayout.upper, permissions: 0o700)
        try directory.directory(FilePath(root: nil, [RootLayout.upper])).copyAttributes(from: image)
    }

    private func mount(
        _ image: borrowing Directory, layers directory: borrowing Directory, _ userNamespace: borrowing UserNamespace?
    ) throws -> OwnedFileDescriptor {
        let upper = try directory.directory(FilePath(root: nil, [RootLayout.upper]))
        let place = try directory.directory(FilePath(root: nil, [RootLayout.place]))
        try mapOwner(of: upper, image, userNamespace)
        var failure: SystemError?
        for way in ways {
            // Each has a lower mount of its own, since some attach it.
            let lower = try store.mountTree(image, userNamespace)
            let work = try freshWorkDirectory(in: directory)
            do {
                return try Overlay.mount(
                    lower: lower, upper: upper, work: work, place: place, isVolatile: true, way: way)
            } catch {
                if !Overlay.Way.isMissing(error) { throw error }
                // The kernel's reason is in what the newest way says.
                failure = failure ?? error
            }
        }
        throw failure ?? SystemError("fsopen", ["overlay"], errno: .noFunction)
    }

    /// The upper layer is not mapped, so its top gets the owner that the image's top has on its mapped mount, once: later
    /// it is what the job made of it. Access control lists name ids too.
    private func mapOwner(
        of upper: borrowing Directory, _ image: borrowing Directory, _ userNamespace: borrowing UserNamespace?
    ) throws {
        let (own, plain) = (try upper.status(), try image.status())
        guard own.user == plain.user, own.group == plain.group else { return }
        let mount = try store.mountTree(image, userNamespace)
        let mapped = try Directory(owning: mount, path: image.path).directory(".", [])
        let owner = try mapped.status()
        guard owner.user != own.user || owner.group != own.group else { return }
        try upper.copyAttributes(from: mapped)
    }

    /// A volatile overlay leaves a mark in its work directory, with which the kernel refuses it a second time.
    private func freshWorkDirectory(in directory: borrowing Directory) throws -> Directory {
        let name = FilePath(root: nil, [RootLayout.work])
        if try directory.directory(name).entries().isEmpty { return try directory.directory(name) }
        try store.removeTree(RootLayout.work, in: directory)
        try directory.makeDirectory(RootLayout.work, permissions: 0o700)
        return try directory.directory(name)
    }
}
