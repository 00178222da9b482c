internal import CLinux
internal import Glibc
internal import SystemPackage

/// Copies what an inode has beside its contents. Has buffers of its own, so one per thread.
final class AttributeCopier {
    /// What XATTR_LIST_MAX and XATTR_SIZE_MAX of <linux/limits.h> allow.
    private static let limit = 65536
    private let names = UnsafeMutablePointer<CChar>.allocate(capacity: limit)
    private let value = UnsafeMutableRawPointer.allocate(byteCount: limit, alignment: 16)
    /// Whose files are made by this process, without a call to chown.
    private let ownUser = geteuid()
    private let ownGroup = getegid()

    deinit {
        names.deallocate()
        value.deallocate()
    }

    /// A call that failed, without the name of the file, which the caller knows.
    struct Failure: Error {
        let call: StaticString
        let result: Int
    }

    @inline(__always)
    private func require(_ call: StaticString, _ result: some SignedInteger) throws(Failure) {
        if result < 0 { throw Failure(call: call, result: Int(result)) }
    }

    /// Owner, permissions, extended attributes and times of an open file or directory that this process has just made.
    ///
    /// In this order: changing the owner clears setuid bits and capabilities, and everything but the last changes times.
    func copy(_ status: clinux_status, from source: CInt, to target: CInt, madeWithMode: Bool) throws(Failure) {
        let isOwn = status.user == ownUser && status.group == ownGroup
        if !isOwn { try require("fchown", clinux_fchownat(target, "", status.user, status.group)) }
        if !madeWithMode || (!isOwn && status.mode & 0o6000 != 0) {
            try require("fchmod", clinux_fchmod(target, status.mode & 0o7777))
        }
        try copyExtendedAttributes(from: source, to: target)
        try copyTimes(status, to: target, "")
    }

    /// The same for what cannot be opened, by names below /proc/self/fd.
    func copy(
        _ status: clinux_status, from source: UnsafePointer<CChar>, to target: UnsafePointer<CChar>,
        _ name: UnsafePointer<CChar>, in directory: CInt
    ) throws(Failure) {
        if status.user != ownUser || status.group != ownGroup {
            try require("fchownat", clinux_fchownat(directory, name, status.user, status.group))
        }
        try copyExtendedAttributes(from: source, to: target)
        try copyTimes(status, to: directory, name)
    }

    private func copyTimes(
        _ status: clinux_status, to directory: CInt, _ name: UnsafePointer<CChar>
    ) throws(Failure) {
        try require(
            "utimensat",
            clinux_utimensat(
                directory, name, status.access_seconds, status.access_nanoseconds, status.modification_seconds,
                status.modification_nanoseconds))
    }

    private func copyExtendedAttributes(from source: CInt, to target: CInt) throws(Failure) {
        let length = clinux_flistxattr(source, names, Self.limit)
        if length == 0 || length == -Int(EOPNOTSUPP) { return }
        try require("flistxattr", length)
        var offset = 0
        while offset < length {
            let name = UnsafePointer(names + offset)
            offset += strlen(name) + 1
            if isPrivate(name) { continue }
            let size = clinux_fgetxattr(source, name, value, Self.limit)
            if size == -Int(ENODATA) { continue }
            try require("fgetxattr", size)
            try require("fsetxattr", ignoring(name, Int(clinux_fsetxattr(target, name, value, size))))
        }
    }

    private func copyExtendedAttributes(
        from source: UnsafePointer<CChar>, to target: UnsafePointer<CChar>
    ) throws(Failure) {
        let length = clinux_llistxattr(source, names, Self.limit)
        if length == 0 || length == -Int(EOPNOTSUPP) { return }
        try require("llistxattr", length)
        var offset = 0
        while offset < length {
            let name = UnsafePointer(names + offset)
            offset += strlen(name) + 1
            if isPrivate(name) { continue }
            let size = clinux_lgetxattr(source, name, value, Self.limit)
            if size == -Int(ENODATA) { continue }
            try require("lgetxattr", size)
            try require("lsetxattr", ignoring(name, Int(clinux_lsetxattr(target, name, value, size))))
        }
    }

    /// Marks of overlayfs belong to the layer in which they are; in another they would hide or redirect. XFS shows
    /// access control lists once more under names of its own.
    private func isPrivate(_ name: UnsafePointer<CChar>) -> Bool {
        strncmp(name, "trusted.overlay.", 16) == 0 || strncmp(name, "trusted.SGI_ACL_", 16) == 0
    }

    /// Properties of btrfs (compression) mean nothing to other file systems.
    private func ignoring(_ name: UnsafePointer<CChar>, _ result: Int) -> Int {
        result == -Int(EOPNOTSUPP) && strncmp(name, "btrfs.", 6) == 0 ? 0 : result
    }
}

extension Directory {
    /// Gives this directory the permissions, owner, extended attributes and times of another. Its own extended
    /// attributes stay, except access control lists.
    package func copyAttributes(from other: borrowing Directory) throws(SystemError) {
        removeAccessControlLists(of: rawValue)
        var status = clinux_status()
        let source = other.rawValue
        try check("statx", [other.path.string]) { clinux_status(source, "", &status) }
        do {
            try AttributeCopier().copy(status, from: source, to: rawValue, madeWithMode: false)
        } catch {
            throw SystemError("\(error.call)", [path.string], errno: Errno(rawValue: CInt(clamping: -error.result)))
        }
    }
}

/// What a new directory may have inherited from the one above it.
func removeAccessControlLists(of directory: CInt) {
    for name in ["system.posix_acl_default", "system.posix_acl_access"] { _ = clinux_fremovexattr(directory, name) }
}
