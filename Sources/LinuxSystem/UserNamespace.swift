internal import CLinux
public import SystemPackage

/// A user namespace that maps ids 0 up to `count` to a range of its own outside; held open by its descriptor.
///
/// The processes of a machine live in one with the same map that systemd-nspawn makes; this one only tells the kernel
/// how to map the ids of mounts (mount_setattr(2), `MOUNT_ATTR_IDMAP`).
public struct UserNamespace: ~Copyable, Sendable {
    private let owned: OwnedFileDescriptor
    public let range: IDRange

    /// A range of user and group ids outside which stands for 0 up to `count` inside.
    public struct IDRange: Hashable, Sendable {
        public let base: UInt32
        public let count: UInt32

        public init(base: UInt32, count: UInt32 = 65536) {
            self.base = base
            self.count = count
        }
    }

    public var descriptor: FileDescriptor { owned.descriptor }

    /// Makes one. Needs `CAP_SETUID` and `CAP_SETGID`; takes about 0.3 ms.
    ///
    /// The corresponding system call is `unshare` in a short-lived child, whose `uid_map` and `gid_map` are written.
    ///
    /// - Throws: ``SystemError``: `EPERM` without privilege, `ENOSPC` or `EUSERS` when there are too many namespaces,
    ///   `EINVAL` for a range that wraps.
    public init(_ range: IDRange) throws(SystemError) {
        let descriptor = try check("unshare", ["CLONE_NEWUSER", "\(range.base)", "\(range.count)"]) {
            clinux_user_namespace(range.base, range.count)
        }
        owned = OwnedFileDescriptor(owning: descriptor)
        self.range = range
    }
}

/// Whose ownership file calls have.
public enum FileSystemIdentity {
    /// Calls `body` with the file system ids of this thread set to `user` and `group`: what it makes belongs to them. Rights
    /// to files stay those of root. The corresponding system calls are `setfsuid`, `setfsgid` and `capset`.
    ///
    /// - Throws: ``SystemError`` `EPERM` if the ids did not take; what `body` throws.
    public static func with<Result>(user: UInt32, group: UInt32, _ body: () throws -> Result) throws -> Result {
        try check("setfsuid", ["\(user)", "\(group)"]) { clinux_set_file_system_ids(user, group) }
        defer { _ = clinux_set_file_system_ids(0, 0) }
        return try body()
    }
}
