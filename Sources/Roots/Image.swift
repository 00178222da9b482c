internal import LinuxSystem
public import SystemPackage

/// What roots are made from: a directory of the store with an operating system in it. Never written.
public struct Image: Hashable, Sendable {
    public let name: Name
    public let path: FilePath
    /// The top of a btrfs subvolume: inode 256 and the magic of btrfs.
    public let isSubvolume: Bool
    /// A subvolume that is protected from changes.
    public let isReadOnly: Bool

    public init(name: Name, path: FilePath, isSubvolume: Bool, isReadOnly: Bool) {
        self.name = name
        self.path = path
        self.isSubvolume = isSubvolume
        self.isReadOnly = isReadOnly
    }
}

/// Where every Linux system says what it is (os-release(5)), in the order in which the file is looked for.
let osReleaseFiles: [FilePath] = ["etc/os-release", "usr/lib/os-release"]

/// The os-release file of a tree, opened with the tree as `/`: links of the tree never leave it. nil if there is none.
func openOSRelease(of tree: borrowing Directory) throws -> OwnedFileDescriptor? {
    for path in osReleaseFiles {
        do {
            return try tree.file(path, [.inRoot, .noMagicLinks])
        } catch {
            let absent: [Errno] = [
                .noSuchFileOrDirectory, .notDirectory, .invalidArgument, .tooManySymbolicLinkLevels, .noSuchAddressOrDevice,
                .isDirectory,
            ]
            if !absent.contains(error.errno) { throw error }
        }
    }
    return nil
}
