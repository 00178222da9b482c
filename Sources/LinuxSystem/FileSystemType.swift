internal import CLinux
package import SystemPackage

/// Which file system something is on, by the magic number of statfs(2).
///
/// For messages and for the parts of an interface that exist on one file system only. What a file system *can* do is
/// found by trying: XFS may or may not have reflinks, and the name does not tell.
public struct FileSystemType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    private init(_ magic: some BinaryInteger) { rawValue = UInt32(truncatingIfNeeded: magic) }

    public static let btrfs = Self(BTRFS_SUPER_MAGIC)
    public static let xfs = Self(XFS_SUPER_MAGIC)
    public static let ext4 = Self(EXT4_SUPER_MAGIC)
    public static let tmpfs = Self(TMPFS_MAGIC)
    public static let overlay = Self(OVERLAYFS_SUPER_MAGIC)
    public static let cgroup2 = Self(CGROUP2_SUPER_MAGIC)
    public static let nfs = Self(NFS_SUPER_MAGIC)
    /// bcachefs (its own header has it, <linux/magic.h> of Debian 12 has not).
    public static let bcachefs = Self(0xCA45_1A4E as UInt32)
    /// ZFS, as OpenZFS defines it.
    public static let zfs = Self(0x2FC1_2FC1 as UInt32)

    public var description: String {
        switch self {
        case .btrfs: "btrfs"
        case .xfs: "XFS"
        case .ext4: "ext4"
        case .tmpfs: "tmpfs"
        case .overlay: "overlayfs"
        case .cgroup2: "cgroup2"
        case .nfs: "NFS"
        case .bcachefs: "bcachefs"
        case .zfs: "ZFS"
        default: "a file system of type 0x\(String(rawValue, radix: 16))"
        }
    }
}

/// A file system and how much of it is free, as statfs(2) tells.
public struct FileSystemStatus: Sendable {
    public let type: FileSystemType
    /// What unprivileged writers could still use.
    public let availableBytes: UInt64
    public let totalBytes: UInt64
    /// 0 where the file system has no fixed number of inodes (btrfs).
    public let totalInodes: UInt64
    public let freeInodes: UInt64
}

extension FileDescriptor {
    /// The file system of an open file. The corresponding system call is `fstatfs`.
    package func fileSystem() throws(SystemError) -> FileSystemStatus {
        var raw = clinux_file_system()
        try check("fstatfs", ["\(rawValue)"]) { clinux_file_system(rawValue, &raw) }
        let blockSize = raw.block_size
        return FileSystemStatus(
            type: FileSystemType(rawValue: UInt32(truncatingIfNeeded: raw.type)),
            availableBytes: raw.available_blocks.multipliedReportingOverflow(by: blockSize).partialValue,
            totalBytes: raw.blocks.multipliedReportingOverflow(by: blockSize).partialValue,
            totalInodes: raw.inodes, freeInodes: raw.free_inodes)
    }
}
