internal import CLinux
public import LinuxSystem
public import SystemPackage

/// Mounts as descriptors (Linux 5.2): made detached, changed, and only then attached somewhere, or never.
///
/// A detached mount is gone when its last descriptor is closed.
public enum Mount {
    /// Attributes that hold for one mount, whatever its file system says (mount_setattr(2)).
    public struct Attributes: OptionSet, Sendable {
        public let rawValue: UInt64
        public init(rawValue: UInt64) { self.rawValue = rawValue }

        public static let readOnly = Self(rawValue: clinux_mount_attr_rdonly)
        public static let noSetuid = Self(rawValue: clinux_mount_attr_nosuid)
        public static let noDevices = Self(rawValue: clinux_mount_attr_nodev)
        public static let noExecution = Self(rawValue: clinux_mount_attr_noexec)
    }

    /// A detached mount of a directory, without what is mounted below it unless `recursive`.
    ///
    /// The corresponding system call is `open_tree` with `OPEN_TREE_CLONE`.
    ///
    /// - Throws: ``SystemError``: `EPERM` without privilege, `EINVAL` for a directory of another mount namespace.
    public static func clone(
        _ directory: borrowing Directory, recursive: Bool = false
    ) throws(SystemError) -> OwnedFileDescriptor {
        let descriptor = directory.descriptor.rawValue
        let mount = try check("open_tree", [directory.path.string]) {
            clinux_clone_tree(descriptor, "", recursive ? 1 : 0)
        }
        return OwnedFileDescriptor(owning: mount)
    }

    /// Shows the files of a detached mount with their ids mapped into a user namespace: id n on disk is
    /// `range.base + n`. Only once, and before the mount is attached. Linux 5.12; btrfs 5.15, tmpfs 6.3.
    ///
    /// The corresponding system call is `mount_setattr` with `MOUNT_ATTR_IDMAP`.
    ///
    /// - Throws: ``SystemError``: `EINVAL` if the file system cannot map ids, `EPERM`.
    public static func mapIDs(
        of mount: borrowing OwnedFileDescriptor, into userNamespace: borrowing UserNamespace
    ) throws(SystemError) {
        let (mount, namespace) = (mount.rawValue, userNamespace.descriptor.rawValue)
        try check("mount_setattr", ["\(mount)", "MOUNT_ATTR_IDMAP"]) {
            clinux_set_mount_attributes(mount, 0, 0, namespace, 0)
        }
    }

    /// Sets and clears attributes. The corresponding system call is `mount_setattr`.
    ///
    /// - Throws: ``SystemError``: `EPERM` for one that another namespace has locked.
    public static func setAttributes(
        of mount: borrowing OwnedFileDescriptor, set: Attributes = [], clear: Attributes = []
    ) throws(SystemError) {
        let mount = mount.rawValue
        try check("mount_setattr", ["\(mount)"]) {
            clinux_set_mount_attributes(mount, set.rawValue, clear.rawValue, -1, 0)
        }
    }

    /// Attaches a detached mount to a directory. The corresponding system call is `move_mount`.
    ///
    /// - Throws: ``SystemError``: `EINVAL` if it is attached already, `EPERM`.
    public static func attach(
        _ mount: borrowing OwnedFileDescriptor, at directory: borrowing Directory
    ) throws(SystemError) {
        let (mount, target) = (mount.rawValue, directory.descriptor.rawValue)
        try check("move_mount", ["\(mount)", directory.path.string]) { clinux_attach_mount(mount, target) }
    }

    /// Takes away what is mounted on `path`. Nothing mounted there is no error.
    ///
    /// - Parameter lazily: At once, even if it is in use; users keep it until they are done.
    /// - Throws: ``SystemError``: `EBUSY`.
    public static func unmount(_ path: FilePath, lazily: Bool = false) throws(SystemError) {
        do {
            try check("umount2", [path.string]) { path.withPlatformString { clinux_unmount($0, lazily ? 1 : 0) } }
        } catch {
            // EINVAL is «not a mount point» (umount2(2)).
            if error.errno != .invalidArgument && error.errno != .noSuchFileOrDirectory { throw error }
        }
    }
}
