internal import CLinux
internal import Glibc
public import SystemPackage

/// An open directory: a place that stays what it is while names around it change.
///
/// Below a directory that a job can write to, a path is not a place: any component may become a link between two calls.
/// So such trees are walked through descriptors, with `openat2` and a ``Resolution``.
public struct Directory: ~Copyable, Sendable {
    private let owned: OwnedFileDescriptor
    /// Where it was found; for messages and for calls that take no descriptor, never to open it again below a job.
    public let path: FilePath

    public var descriptor: FileDescriptor { owned.descriptor }
    var rawValue: CInt { owned.descriptor.rawValue }

    /// How names below a directory are resolved (openat2(2), Linux 5.6).
    public struct Resolution: OptionSet, Sendable {
        public let rawValue: UInt64
        public init(rawValue: UInt64) { self.rawValue = rawValue }

        /// Nothing outside the directory is reached: `..`, absolute paths and links that would leave it fail with `EXDEV`.
        public static let beneath = Self(rawValue: clinux_resolve_beneath)
        /// The directory is `/` for links and `..`, as in a chroot.
        public static let inRoot = Self(rawValue: clinux_resolve_in_root)
        /// Any symbolic link fails with `ELOOP`.
        public static let noLinks = Self(rawValue: clinux_resolve_no_symlinks)
        /// Links of /proc that jump anywhere fail with `ELOOP`.
        public static let noMagicLinks = Self(rawValue: clinux_resolve_no_magiclinks)
        /// Another mount, and another btrfs subvolume is none, fails with `EXDEV`.
        public static let noMounts = Self(rawValue: clinux_resolve_no_xdev)
        /// What a tree that a job has written is walked with.
        public static let untrusted: Self = [.beneath, .noLinks, .noMagicLinks]
    }

    /// Opens the directory at `path`; links are followed, so only for paths that the administrator owns.
    ///
    /// - Throws: ``SystemError``: `ENOENT`, `ENOTDIR`, `EACCES`.
    public init(_ path: FilePath) throws(SystemError) {
        let descriptor = try check("open", [path.string]) {
            path.withPlatformString { clinux_openat2(AT_FDCWD, $0, UInt64(O_RDONLY | O_DIRECTORY), 0, 0) }
        }
        self.init(owning: OwnedFileDescriptor(owning: descriptor), path: path)
    }

    /// Takes over a descriptor of a directory.
    public init(owning descriptor: consuming OwnedFileDescriptor, path: FilePath) {
        owned = descriptor
        self.path = path
    }

    /// Gives up the directory for its descriptor.
    public consuming func intoDescriptor() -> OwnedFileDescriptor { owned }

    // MARK: Opening

    /// Opens the directory at `relative` below this one.
    ///
    /// - Throws: ``SystemError``: `ENOENT`, `ENOTDIR`, `ELOOP` or `EXDEV` as `resolution` says, `EAGAIN` when names kept changing.
    public func directory(
        _ relative: FilePath, _ resolution: Resolution = .untrusted
    ) throws(SystemError) -> Directory {
        let descriptor = try open(relative, flags: O_RDONLY | O_DIRECTORY, mode: 0, resolution)
        return Directory(owning: descriptor, path: path.pushing(relative))
    }

    /// Opens a regular file for reading; a fifo or device neither blocks nor is opened for use.
    ///
    /// - Throws: ``SystemError``: `ENOENT`, `EINVAL` if it is not a regular file, and as ``directory(_:_:)``.
    public func file(
        _ relative: FilePath, _ resolution: Resolution = .untrusted
    ) throws(SystemError) -> OwnedFileDescriptor {
        let file = try open(relative, flags: O_RDONLY | O_NONBLOCK | O_NOCTTY, mode: 0, resolution)
        guard try file.descriptor.status().kind == .regular else {
            throw SystemError("openat2", [path.string, relative.string], errno: .invalidArgument)
        }
        return file
    }

    /// Opens the regular file at `path`, which an administrator or the runner names; links on the way are followed.
    ///
    /// - Parameter followingLink: Whether also the last component may be a link.
    /// - Throws: ``SystemError``: `EINVAL` if it is not a regular file, `ELOOP` for a link that is not followed, `ENOENT`.
    public static func openFile(
        _ path: FilePath, followingLink: Bool
    ) throws(SystemError) -> OwnedFileDescriptor {
        guard let name = path.lastComponent, name.kind == .regular else {
            throw SystemError("open", [path.string], errno: .isDirectory)
        }
        let parent = path.removingLastComponent()
        let directory = try Directory(parent.isEmpty ? "." : parent)
        return try directory.file(FilePath(root: nil, [name]), followingLink ? [] : .untrusted)
    }

    /// Makes a regular file that did not exist and opens it for writing.
    ///
    /// - Parameter mode: Exactly this, whatever the umask is.
    /// - Throws: ``SystemError``: `EEXIST`, `ENOSPC`, `EROFS`, `EOVERFLOW` where the owner has no id on the mount.
    public func create(_ name: FilePath.Component, mode: UInt32 = 0o600) throws(SystemError) -> OwnedFileDescriptor {
        let file = try open(
            FilePath(root: nil, [name]), flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode, .untrusted)
        try check("fchmod", [path.string, name.string]) { clinux_fchmod(file.rawValue, mode) }
        return file
    }

    /// Opens the regular or kernel file at `relative`, which is there, for writing.
    public func openForWriting(
        _ relative: FilePath, _ resolution: Resolution = .untrusted
    ) throws(SystemError) -> OwnedFileDescriptor {
        try open(relative, flags: O_WRONLY | O_NONBLOCK | O_NOCTTY, mode: 0, resolution)
    }

    /// An `O_PATH` descriptor of anything: nothing is opened for use, a link is not followed at the end.
    public func place(
        _ relative: FilePath, _ resolution: Resolution = .untrusted
    ) throws(SystemError) -> OwnedFileDescriptor {
        try open(relative, flags: clinux_o_path | O_NOFOLLOW, mode: 0, resolution)
    }

    private func open(
        _ relative: FilePath, flags: CInt, mode: UInt32, _ resolution: Resolution
    ) throws(SystemError) -> OwnedFileDescriptor {
        // EAGAIN means that a rename elsewhere may have disturbed the look-up (openat2(2)): asked again, not for ever.
        var attempts = 0
        while true {
            do {
                let descriptor = try check("openat2", [path.string, relative.string]) {
                    relative.withPlatformString {
                        clinux_openat2(rawValue, $0, UInt64(flags), UInt64(mode), resolution.rawValue)
                    }
                }
                return OwnedFileDescriptor(owning: descriptor)
            } catch {
                attempts += 1
                if error.errno == .resourceTemporarilyUnavailable && attempts < 32 { continue }
                throw error
            }
        }
    }

    // MARK: Looking

    /// Status of the entry `name`, links not followed.
    public func status(_ name: FilePath.Component) throws(SystemError) -> FileStatus {
        var raw = clinux_status()
        try check("statx", [path.string, name.string]) {
            name.withPlatformString { clinux_status(rawValue, $0, &raw) }
        }
        return FileStatus(raw)
    }

    /// Status of the entry `name`, or nil if there is none.
    public func statusIfPresent(_ name: FilePath.Component) throws(SystemError) -> FileStatus? {
        do {
            return try status(name)
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
    }

    public func status() throws(SystemError) -> FileStatus { try descriptor.status() }

    /// Which file system it is on, and how much of that is free.
    public func fileSystem() throws(SystemError) -> FileSystemStatus { try descriptor.fileSystem() }

    /// Calls `body` for every entry but `.` and `..`, in the order of the file system, in bounded memory.
    ///
    /// Reads through a descriptor of its own, so that it can be called again, and entries may be removed meanwhile.
    public func forEachEntry(_ body: (FilePath.Component, FileStatus.Kind?) throws -> Void) throws {
        let own = try directory(".", [])
        var buffer = [UInt8](repeating: 0, count: 32768)
        while true {
            let count = try check("getdents64", [path.string]) {
                buffer.withUnsafeMutableBytes { clinux_getdents(own.rawValue, $0.baseAddress, $0.count) }
            }
            if count == 0 { return }
            var offset = 0
            while offset < count {
                var entry = clinux_entry()
                let name = buffer.withUnsafeBytes { bytes in
                    offset = clinux_entry(bytes.baseAddress, offset, &entry)
                    return entry.name.flatMap { FilePath.Component(platformString: $0) }
                }
                guard let name, name.kind == .regular else { continue }
                try body(name, kind(entry.type))
            }
        }
    }

    private func kind(_ type: UInt8) -> FileStatus.Kind? {
        switch Int(type) {
        case Int(DT_DIR): .directory
        case Int(DT_REG): .regular
        case Int(DT_LNK): .symbolicLink
        case Int(DT_FIFO): .fifo
        case Int(DT_SOCK): .socket
        case Int(DT_CHR): .characterDevice
        case Int(DT_BLK): .blockDevice
        default: nil  // the file system does not tell
        }
    }

    /// Names of all entries, sorted by their bytes.
    public func entries() throws -> [FilePath.Component] {
        var names: [FilePath.Component] = []
        try forEachEntry { name, _ in names.append(name) }
        return names.sorted { $0.string.utf8.lexicographicallyPrecedes($1.string.utf8) }
    }

    /// Where the link `name` points to.
    public func linkTarget(_ name: FilePath.Component) throws(SystemError) -> FilePath {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        try check("readlinkat", [path.string, name.string]) {
            name.withPlatformString { clinux_readlinkat(rawValue, $0, &buffer, Int(PATH_MAX)) }
        }
        return FilePath(platformString: buffer)
    }

    // MARK: Changing

    /// Makes the directory `name`.
    ///
    /// - Parameter permissions: Exactly these, whatever the umask is.
    /// - Throws: ``SystemError``: `EEXIST`, `ENOSPC`, `EROFS`.
    public func makeDirectory(_ name: FilePath.Component, permissions: UInt32 = 0o755) throws(SystemError) {
        try check("mkdirat", [path.string, name.string]) {
            name.withPlatformString { clinux_mkdirat(rawValue, $0, permissions) }
        }
        let made = try directory(FilePath(root: nil, [name]))
        try made.setPermissions(permissions)
    }

    /// Makes the directory `name` unless it is there.
    public func ensureDirectory(_ name: FilePath.Component, permissions: UInt32 = 0o755) throws(SystemError) {
        do {
            try makeDirectory(name, permissions: permissions)
        } catch {
            if error.errno != .fileExists { throw error }
        }
    }

    public func setPermissions(_ permissions: UInt32) throws(SystemError) {
        try check("fchmod", [path.string]) { clinux_fchmod(rawValue, permissions) }
    }

    /// Gives this directory another owner.
    public func setOwner(user: UInt32, group: UInt32) throws(SystemError) {
        try check("fchownat", [path.string, "\(user)", "\(group)"]) { clinux_fchownat(rawValue, "", user, group) }
    }

    /// Makes the symbolic link `name`.
    public func makeLink(_ name: FilePath.Component, to target: FilePath) throws(SystemError) {
        try check("symlinkat", [target.string, path.string, name.string]) {
            target.withPlatformString { target in
                name.withPlatformString { clinux_symlinkat(target, rawValue, $0) }
            }
        }
    }

    /// Removes what is not a directory. Removing what is absent succeeds.
    public func removeFile(_ name: FilePath.Component) throws(SystemError) {
        try remove(name, isDirectory: false)
    }

    /// Removes an empty directory. Removing what is absent succeeds.
    ///
    /// - Throws: ``SystemError``: `ENOTEMPTY`, `EBUSY` for a mount point.
    public func removeDirectory(_ name: FilePath.Component) throws(SystemError) {
        try remove(name, isDirectory: true)
    }

    private func remove(_ name: FilePath.Component, isDirectory: Bool) throws(SystemError) {
        do {
            try check("unlinkat", [path.string, name.string]) {
                name.withPlatformString { clinux_unlinkat(rawValue, $0, isDirectory ? 1 : 0) }
            }
        } catch {
            if error.errno != .noSuchFileOrDirectory { throw error }
        }
    }

    /// What happens to an entry that has the new name already.
    public enum RenameMode: Sendable { case replace, keepExisting, exchange }

    /// Renames `name`, in one step for every observer. The corresponding system call is `renameat2`.
    ///
    /// - Throws: ``SystemError``: `EEXIST` with `keepExisting`, `ENOENT`, `EXDEV` between file systems and, for
    ///   `exchange`, between btrfs subvolumes.
    public func rename(
        _ name: FilePath.Component, to newName: FilePath.Component, in other: borrowing Directory,
        _ mode: RenameMode = .keepExisting
    ) throws(SystemError) {
        let flags =
            switch mode {
            case .replace: UInt32(0)
            case .keepExisting: clinux_rename_noreplace
            case .exchange: clinux_rename_exchange
            }
        let target = other.rawValue
        try check("renameat2", [path.string, name.string, other.path.string, newName.string]) {
            name.withPlatformString { old in
                newName.withPlatformString { clinux_renameat2(rawValue, old, target, $0, flags) }
            }
        }
    }

    public func rename(
        _ name: FilePath.Component, to newName: FilePath.Component, _ mode: RenameMode = .keepExisting
    ) throws(SystemError) {
        try rename(name, to: newName, in: self, mode)
    }

    /// Replaces the file `name` by these bytes, in one step for every reader: written beside it, renamed.
    ///
    /// A process that is killed leaves the old file or the new one, and possibly `.NAME.new`, which the next call replaces.
    ///
    /// - Parameter durable: Whether that holds for a power cut too: the file is then synced first, which takes 10 to 20 ms on
    ///   btrfs on a disk.
    public func replaceFile(
        _ name: FilePath.Component, with bytes: [UInt8], mode: UInt32 = 0o600, durable: Bool
    ) throws(SystemError) {
        guard let temporary = FilePath.Component(".\(name.string).new") else {
            throw SystemError("openat2", [path.string, name.string], errno: .invalidArgument)
        }
        try removeFile(temporary)
        let file = try create(temporary, mode: mode)
        try file.descriptor.write(all: bytes)
        if durable { try check("fsync", [path.string, temporary.string]) { clinux_fsync(file.rawValue) } }
        try rename(temporary, to: name, .replace)
    }

    /// Contents of the small regular file `name`.
    ///
    /// - Throws: ``SystemError``: `EFBIG` if it has more than `limit` bytes, `EINVAL` if it is no regular file, `ENOENT`.
    public func contents(
        _ name: FilePath, limit: Int, _ resolution: Resolution = .untrusted
    ) throws(SystemError) -> [UInt8] {
        let file = try file(name, resolution)
        return try file.descriptor.readAll(limit: limit)
    }

    // MARK: Locking

    public enum Lock: Sendable { case shared, exclusive }

    /// Takes an advisory lock on this directory if no other process holds one against it; it lasts until the descriptor
    /// is closed, so a dead process holds none. The corresponding system call is `flock`.
    ///
    /// - Returns: false if somebody else holds it.
    public func tryLock(_ lock: Lock) throws(SystemError) -> Bool {
        let operation = (lock == .shared ? LOCK_SH : LOCK_EX) | LOCK_NB
        do {
            try check("flock", [path.string]) { clinux_flock(rawValue, operation) }
            return true
        } catch {
            if error.errno == .resourceTemporarilyUnavailable { return false }
            throw error
        }
    }

    /// Takes the lock, waiting at most `timeout` for its holder.
    ///
    /// - Throws: ``SystemError``: `ETIMEDOUT`.
    public func lock(_ lock: Lock, timeout: Duration) throws(SystemError) {
        // flock(2) has no time limit of its own and no descriptor to poll; holders keep it for milliseconds.
        let deadline = Deadline(after: timeout)
        while try !tryLock(lock) {
            if deadline.hasPassed { throw SystemError("flock", [path.string], errno: .timedOut) }
            Deadline.pause(.milliseconds(2))
        }
    }
}
