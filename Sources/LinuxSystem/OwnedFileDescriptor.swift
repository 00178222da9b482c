internal import CLinux
public import SystemPackage

/// A descriptor with one owner, closed when the owner is gone.
public struct OwnedFileDescriptor: ~Copyable, Sendable {
    /// Lent, not given: it must not outlive the owner.
    public let descriptor: FileDescriptor

    /// Takes over `descriptor`.
    public init(owning descriptor: FileDescriptor) { self.descriptor = descriptor }

    /// Takes over the answer of a shim that `check` has accepted.
    package init(owning rawValue: CInt) { self.descriptor = FileDescriptor(rawValue: rawValue) }

    package var rawValue: CInt { descriptor.rawValue }

    /// Closes it and tells what `deinit` cannot.
    ///
    /// - Throws: ``SystemError``: `EIO`, `ENOSPC`, `EDQUOT` when written data was lost.
    public consuming func close() throws(SystemError) {
        let descriptor = descriptor
        discard self
        try rethrow("close", ["\(descriptor.rawValue)"]) { try descriptor.close() }
    }

    /// Gives up the ownership without closing.
    public consuming func release() -> FileDescriptor {
        let descriptor = descriptor
        discard self
        return descriptor
    }

    deinit { try? descriptor.close() }
}

extension FileDescriptor {
    /// All that can be read until the end, at most `limit` bytes.
    ///
    /// - Throws: ``SystemError``: `EFBIG` if there is more than `limit`, and what `read` reports.
    package func readAll(limit: Int) throws(SystemError) -> [UInt8] {
        var contents: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: Swift.min(limit + 1, 65536))
        while true {
            let count = try rethrow("read", ["\(rawValue)"]) {
                try buffer.withUnsafeMutableBytes { try read(into: $0) }
            }
            if count == 0 { return contents }
            contents.append(contentsOf: buffer[..<count])
            if contents.count > limit { throw SystemError("read", ["\(rawValue)"], errno: .fileTooLarge) }
        }
    }

    /// The last bytes of a file, at most `limit`.
    package func readEnd(limit: Int) throws(SystemError) -> [UInt8] {
        let size = try status().sizeBytes
        let start = Int64(clamping: size) - Int64(clamping: limit)
        if start > 0 { try check("lseek", ["\(rawValue)"]) { clinux_seek(rawValue, start) } }
        // It may grow meanwhile.
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = try rethrow("read", ["\(rawValue)"]) { try buffer.withUnsafeMutableBytes { try read(into: $0) } }
        return Array(buffer[..<count])
    }

    /// What can be read now, without waiting: the number of bytes put into `buffer`, 0 at the end, nil if there is nothing yet.
    package func readAvailable(into buffer: inout [UInt8]) throws(SystemError) -> Int? {
        do {
            return try rethrow("read", ["\(rawValue)"]) { try buffer.withUnsafeMutableBytes { try read(into: $0) } }
        } catch {
            if error.errno == .resourceTemporarilyUnavailable { return nil }
            throw error
        }
    }

    /// Writes the first `count` of `bytes`.
    package func write(_ bytes: [UInt8], count: Int) throws(SystemError) {
        try rethrow("write", ["\(rawValue)"]) { try bytes[..<count].withUnsafeBytes { _ = try writeAll($0) } }
    }

    /// Writes all of it.
    package func write(all bytes: some Sequence<UInt8>) throws(SystemError) {
        try rethrow("write", ["\(rawValue)"]) { try writeAll(bytes) }
    }

    /// Makes reads and writes return `EAGAIN` instead of waiting.
    package func setNonblocking(_ nonblocking: Bool) throws(SystemError) {
        try check("fcntl", ["\(rawValue)", "F_SETFL"]) { clinux_set_nonblocking(rawValue, nonblocking ? 1 : 0) }
    }
}
