internal import CLinux
public import SystemPackage

/// Files that have no name: nobody finds them, and they are gone with the last descriptor.
public enum MemoryFile {
    /// A file with the contents of `bytes`, at its beginning, sealed: nobody can change it any more, whoever gets it.
    /// The corresponding system call is `memfd_create`.
    public static func sealed(_ name: String, _ bytes: [UInt8]) throws(SystemError) -> OwnedFileDescriptor {
        let descriptor = try check("memfd_create", [name]) { clinux_sealed_memory(name, bytes, bytes.count) }
        return OwnedFileDescriptor(owning: descriptor)
    }

    /// The same with everything that can be read from `source`.
    ///
    /// - Throws: ``SystemError``: `EFBIG` if that is more than `limit` bytes.
    public static func sealed(
        _ name: String, copying source: FileDescriptor, limit: Int
    ) throws(SystemError) -> OwnedFileDescriptor {
        let descriptor = try check("memfd_create", [name]) {
            clinux_sealed_memory_from(name, source.rawValue, limit)
        }
        return OwnedFileDescriptor(owning: descriptor)
    }
}

/// /dev/null.
public enum NullDevice {
    /// Opens it for reading and writing.
    public static func open() throws(SystemError) -> OwnedFileDescriptor {
        let descriptor = try rethrow("open", ["/dev/null"]) {
            try FileDescriptor.open("/dev/null", .readWrite, options: .closeOnExec)
        }
        return OwnedFileDescriptor(owning: descriptor)
    }
}

/// A pipe(2) of which each end has its owner.
public struct Pipe: ~Copyable, Sendable {
    public let readEnd: OwnedFileDescriptor
    public let writeEnd: OwnedFileDescriptor

    /// - Parameter capacityBytes: Asked for, and taken as far as the user's limit allows.
    public init(capacityBytes: Int32 = 0) throws(SystemError) {
        var readEnd: CInt = -1
        var writeEnd: CInt = -1
        try check("pipe2", []) { clinux_pipe(&readEnd, &writeEnd, capacityBytes) }
        self.readEnd = OwnedFileDescriptor(owning: readEnd)
        self.writeEnd = OwnedFileDescriptor(owning: writeEnd)
    }

    /// Closes the write end, which a child now has, and keeps the other.
    public consuming func closingWriteEnd() -> OwnedFileDescriptor { readEnd }
}
