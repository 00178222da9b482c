internal import CLinux
package import SystemPackage

/// What an inode is: the part of statx(2) that is used here.
public struct FileStatus: Hashable, Sendable {
    public enum Kind: Sendable {
        case directory, regular, symbolicLink, fifo, socket, characterDevice, blockDevice, other
    }

    public struct Time: Hashable, Sendable {
        public var seconds: Int64
        public var nanoseconds: UInt32
    }

    public let inode: UInt64
    /// Device number of the file system; every btrfs subvolume has its own.
    public let device: UInt64
    /// Which device a device node is.
    public let specialDevice: UInt64
    public let sizeBytes: UInt64
    /// 512-byte units that are allocated.
    public let blocks: UInt64
    /// File type and permissions, as `st_mode`.
    public let mode: UInt32
    public let links: UInt32
    public let user: UInt32
    public let group: UInt32
    public let accessTime: Time
    public let modificationTime: Time
    /// `STATX_ATTR_*`: immutable, append-only, compressed and the like.
    public let attributes: UInt64

    public var permissions: UInt32 { mode & 0o7777 }

    public var kind: Kind {
        switch mode & 0o170000 {
        case 0o040000: .directory
        case 0o100000: .regular
        case 0o120000: .symbolicLink
        case 0o010000: .fifo
        case 0o140000: .socket
        case 0o020000: .characterDevice
        case 0o060000: .blockDevice
        default: .other
        }
    }

    init(_ raw: clinux_status) {
        inode = raw.inode
        device = raw.device
        specialDevice = raw.special_device
        sizeBytes = raw.size
        blocks = raw.blocks
        mode = raw.mode
        links = raw.links
        user = raw.user
        group = raw.group
        accessTime = Time(seconds: raw.access_seconds, nanoseconds: raw.access_nanoseconds)
        modificationTime = Time(seconds: raw.modification_seconds, nanoseconds: raw.modification_nanoseconds)
        attributes = raw.attributes
    }
}

extension FileDescriptor {
    /// Status of the open file itself.
    package func status() throws(SystemError) -> FileStatus {
        var raw = clinux_status()
        try check("statx", ["\(rawValue)"]) { clinux_status(rawValue, "", &raw) }
        return FileStatus(raw)
    }
}
