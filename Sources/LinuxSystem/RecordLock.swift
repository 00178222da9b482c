internal import CLinux
internal import Glibc
public import SystemPackage

/// Lock files that are shared with other programs: open-file-description locks (fcntl(2), `F_OFD_SETLK`, Linux 3.15).
public enum RecordLock {
    /// Makes the lock file `name` if need be and locks it.
    ///
    /// - Parameter directory: Made, with those above it, when it is missing; links are followed.
    /// - Returns: The lock, which lasts until the descriptor is closed; nil if somebody else has it, or if `name` is nil.
    public static func acquire(
        _ name: FilePath.Component?, in directory: FilePath
    ) throws(SystemError) -> OwnedFileDescriptor? {
        guard let name else { return nil }
        let place = try Directory.making(directory)
        // Its holder removes the file on giving it up: what was locked must still be what has the name.
        for _ in 0..<8 {
            let descriptor = try check("openat2", [directory.string, name.string]) {
                name.withPlatformString {
                    clinux_openat2(place.rawValue, $0, UInt64(O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY), 0o600, 0)
                }
            }
            let file = OwnedFileDescriptor(owning: descriptor)
            do {
                try check("fcntl", [name.string, "F_OFD_SETLK"]) { clinux_record_lock(file.rawValue) }
            } catch {
                if error.errno == .resourceTemporarilyUnavailable || error.errno == .permissionDenied { return nil }
                throw error
            }
            let locked = try file.descriptor.status()
            if try place.statusIfPresent(name)?.inode == locked.inode { return file }
        }
        return nil
    }
}

extension Directory {
    /// Opens the directory `path`, making it and those above it where they are missing (mode 0755).
    public static func making(_ path: FilePath) throws(SystemError) -> Directory {
        var current = try Directory(path.isAbsolute ? "/" : ".")
        for component in path.components {
            try current.ensureDirectory(component)
            current = try current.directory(FilePath(root: nil, [component]), [])
        }
        return current
    }
}
