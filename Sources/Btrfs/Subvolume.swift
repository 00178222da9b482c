internal import CBtrfsUtil
public import LinuxSystem
public import SystemPackage

/// Operations on btrfs subvolumes, by libbtrfsutil. All need root; links are not followed.
public enum Subvolume {
    /// Makes an empty subvolume with mode 0755 less the umask. Constant time, no commit (0.04 ms).
    ///
    /// - Throws: ``BtrfsError`` `createFailed` with `EEXIST` if the name is taken, `ENOSPC`, `ENOTTY` where it is no btrfs.
    public static func create(
        _ name: FilePath.Component, in directory: borrowing Directory
    ) throws(BtrfsError) {
        let parent = directory.descriptor.rawValue
        try check("create subvolume", directory.path.appending(name)) {
            name.withPlatformString { cbtrfsutil_create(parent, $0) }
        }
    }

    /// Makes a snapshot: constant in the size of `source`, about one commit of the file system (1-5 ms).
    ///
    /// Snapshots into one directory wait for each other; into different directories they share a commit.
    ///
    /// - Parameters:
    ///   - source: The subvolume; its pending writes are flushed first, so it should not be written to.
    ///   - readOnly: A read-only snapshot has empty directories where `source` has nested subvolumes; a writable one has
    ///     snapshots of these too, made one after the other (not atomic).
    /// - Throws: ``BtrfsError`` `notSubvolume` if `source` is none; `snapshotFailed` with `EEXIST`, `EXDEV` between file
    ///   systems, `ENOSPC`, `ETXTBSY` for a swap file inside.
    public static func snapshot(
        _ source: borrowing Directory, as name: FilePath.Component, in directory: borrowing Directory,
        readOnly: Bool = false
    ) throws(BtrfsError) {
        let descriptor = source.descriptor.rawValue
        let parent = directory.descriptor.rawValue
        try check("snapshot \(printable(source.path.string)) as", directory.path.appending(name)) {
            name.withPlatformString {
                cbtrfsutil_snapshot(descriptor, parent, $0, readOnly ? 1 : 0, readOnly ? 0 : 1)
            }
        }
    }

    /// Deletes a subvolume and all inside it, read-only ones too. Deleting what is absent succeeds.
    ///
    /// Returns before the space is free; a kernel thread does that. Takes 0.02 ms up to 0.3 s when much of it is cached.
    ///
    /// - Throws: ``BtrfsError`` `notSubvolume`; `deleteFailed` with `EBUSY` for one that is in use as swap or default.
    public static func delete(
        _ name: FilePath.Component, in directory: borrowing Directory
    ) throws(any Error) {
        let path = directory.path.appending(name)
        let parent = directory.descriptor.rawValue
        do {
            try makeWritable(name, in: directory)
            try check("delete subvolume", path) { name.withPlatformString { cbtrfsutil_delete(parent, $0) } }
        } catch {
            if let error = error as? BtrfsError, error.errno == .noSuchFileOrDirectory { return }
            if let error = error as? SystemError, error.errno == .noSuchFileOrDirectory { return }
            throw error
        }
    }

    /// A subvolume inside a read-only one cannot be unlinked from it (EROFS), and a job may have made both.
    private static func makeWritable(_ name: FilePath.Component, in directory: borrowing Directory) throws {
        let top = try directory.directory(FilePath(root: nil, [name]))
        guard try isSubvolume(top) else { return }
        if try isReadOnly(top) { try setReadOnly(false, of: top) }
        for nested in try nestedSubvolumes(of: top) {
            let subvolume = try top.directory(nested.path)
            if try isReadOnly(subvolume) { try setReadOnly(false, of: subvolume) }
        }
    }

    /// Whether the directory is the top of a subvolume: inode 256 and the magic of btrfs.
    ///
    /// - Throws: ``BtrfsError`` when it cannot be told.
    public static func isSubvolume(_ directory: borrowing Directory) throws(BtrfsError) -> Bool {
        let descriptor = directory.descriptor.rawValue
        do {
            try check("look at", directory.path) { cbtrfsutil_is_subvolume(descriptor) }
            return true
        } catch {
            if error.code == .notBtrfs || error.code == .notSubvolume { return false }
            throw error
        }
    }

    /// Whether nothing in the subvolume can be changed.
    public static func isReadOnly(_ subvolume: borrowing Directory) throws(BtrfsError) -> Bool {
        let descriptor = subvolume.descriptor.rawValue
        var answer = false
        try check("look at subvolume", subvolume.path) { cbtrfsutil_get_read_only(descriptor, &answer) }
        return answer
    }

    /// Protects the subvolume from any change, or allows changes again. A read-only one cannot move to another directory.
    public static func setReadOnly(_ readOnly: Bool, of subvolume: borrowing Directory) throws(BtrfsError) {
        let descriptor = subvolume.descriptor.rawValue
        try check("set read-only flag of subvolume", subvolume.path) { cbtrfsutil_set_read_only(descriptor, readOnly) }
    }

    /// Commits the file system of `directory` and wakes its cleaner, so that the space of deleted subvolumes comes back
    /// within milliseconds (otherwise up to 30 s).
    public static func sync(_ directory: borrowing Directory) throws(BtrfsError) {
        let descriptor = directory.descriptor.rawValue
        try check("sync", directory.path) { cbtrfsutil_sync(descriptor) }
    }
}
