public import LinuxSystem
public import SystemPackage

/// What is known of a root, and all that is needed to open or remove it.
public struct RootRecord: Hashable, Sendable {
    public let id: Name
    public let method: CloneMethod
    /// What it was made from.
    public let image: FilePath
    /// Where it is: the store's `.machines/ID`.
    public let directory: FilePath

    public init(id: Name, method: CloneMethod, image: FilePath, directory: FilePath) {
        self.id = id
        self.method = method
        self.image = image
        self.directory = directory
    }
}

/// Makes, opens and removes roots in one store, by one ``CloneMethod``. Calls block.
public protocol RootBackend: Sendable {
    var method: CloneMethod { get }
    /// Returns if this way works for `image` here: it is tried, since the name of a file system proves nothing.
    ///
    /// - Throws: ``RootError/impossible(_:image:fileSystem:reason:advice:)``; what the attempt reports if it fails for
    ///   another reason, such as a full disk.
    func check(_ image: Image, userNamespace: Bool) throws
    /// Writes only to disk, below the machine's directory, which is there. Leaves nothing behind when it throws.
    func create(_ record: RootRecord, from image: Image) throws
    /// The root as a detached mount, mapped into `userNamespace` if there is one. It is writable, and neither `nosuid`
    /// nor `noexec` even where the mount of the store is.
    func open(_ record: RootRecord, userNamespace: borrowing UserNamespace?) throws -> OwnedFileDescriptor
    /// Does nothing if there is none.
    func remove(_ record: RootRecord) throws
}
